"""Comparisons of model versions on stored instances."""
