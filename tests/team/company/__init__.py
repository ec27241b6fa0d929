"""The project of a team that knows nothing of Exemplar."""
