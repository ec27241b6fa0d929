"""Measurements against peers and against the machine's limits; each prints one table."""
