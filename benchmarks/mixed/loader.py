"""Draws customers inside PostgreSQL: the same ones each time, a million within seconds."""

from django.db import connection, transaction

from .models import Customer

INSERT = """
INSERT INTO {table} (id, age, calls, minutes, bill, megabytes, score, overdue, roams, plan, city, outcome)
SELECT n, age, calls, minutes, bill, CASE WHEN gap > 0.1 THEN megabytes END, CASE WHEN gap < 0.9 THEN score END,
    overdue, overdue > 2, (ARRAY['basic', 'family', 'business'])[1 + n %% 3],
    (%(cities)s::text[] || NULL)[1 + n %% 13],
    CASE WHEN minutes / 100 - score + (n %% 3 - 1) + luck > 1 THEN 'leaves' ELSE 'stays' END
FROM (
    SELECT n, (18 + random() * 70)::int AS age, (random() * 300)::int AS calls, -100 * ln(1 - random()) AS minutes,
        random() * 120 AS bill, random() * 9000 AS megabytes, random_normal() AS score, (random() * 4)::int AS overdue,
        random() AS gap, random_normal() AS luck
    FROM generate_series(%(first)s, %(last)s) AS n
) AS drawn
"""


@transaction.atomic
def load(rows: int) -> None:
    """Draw customers until there are `rows`."""
    count = Customer._default_manager.count()
    table = connection.ops.quote_name(Customer._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute("SELECT setseed(0.5)")
        cities = list(Customer.City.values)
        cursor.execute(INSERT.format(table=table), {"cities": cities, "first": count + 1, "last": rows})
        cursor.execute(f"ANALYZE {table}")
