"""Example products on real data; each app shows one kind of problem."""
