"""Estimators: families of candidates, preprocessing of columns, a common interface of clusterings, and ensembles."""
