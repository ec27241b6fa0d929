"""A Django project of a team's own, beside which Exemplar runs on one database."""
