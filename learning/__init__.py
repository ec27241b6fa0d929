"""Frames: from a snapshot's examples to fitted, scored models. Knows neither Django nor a database."""
