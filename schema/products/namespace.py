"""Namespace of the types of products, through which lazy references find each other."""
