"""Learning: from a dataset to fitted and scored models, without Django and without a database."""
