"""Benchmarks against peers and lower bounds; each prints one table."""
