"""Data products on real data; each app is the tutorial for one kind of problem."""
