"""Steps of time by which rows are counted first: whole ones make up the hours of each time zone."""

STEP_MINUTES = 15
#: One step costs a fraction of what PostgreSQL needs to find a row's day in a time zone. The table of predictions has
#: statistics of this expression, without which PostgreSQL takes each row for a group of its own and counts on one core.
STEP = f"date_bin('{STEP_MINUTES} minutes', {{0}}, '2000-01-01 00:00+00')"
