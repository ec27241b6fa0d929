"""The orders of the team."""
