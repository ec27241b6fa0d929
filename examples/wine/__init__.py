"""Clustering: which wines are alike? There is no label."""
