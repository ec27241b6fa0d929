"""Fits of candidates on folds: what one fit does, and the pools of processes or Dask workers that run them."""
