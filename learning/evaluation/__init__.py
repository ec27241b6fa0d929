"""Evaluation of candidates: folds, metrics of held-out rows, calibration of probabilities and prediction intervals."""
