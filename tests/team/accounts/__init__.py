"""The users of the team."""
