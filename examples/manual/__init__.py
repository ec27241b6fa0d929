"""Classification of text: which package of the standard library is a docstring from?"""
