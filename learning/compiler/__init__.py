"""Compilation of fitted models: converters and plans that build the compiled form, and the check of its parity."""
