"""Draws predictions inside PostgreSQL: a million within a minute, as one version has answered over a month."""

from django.db import connection, transaction

#: A tenth are about a row of the table, a tenth about a reference, the others about nobody.
INSERT = """
INSERT INTO store_prediction (id, product, model_id, subject, entity, reference, features, answer, value, confidence,
    output, created_at, updated_at, times_asked)
SELECT md5('id' || n)::uuid, 'mixed', %(model)s, md5('subject' || n)::uuid,
    CASE WHEN n %% 10 = 1 THEN n::text END, CASE WHEN n %% 10 = 2 THEN 'order-' || n END,
    jsonb_build_object(
        'age', (18 + random() * 70)::int, 'calls', (random() * 300)::int, 'minutes', -100 * ln(1 - random()),
        'bill', random() * 120, 'megabytes', CASE WHEN n %% 11 > 0 THEN random() * 9000 END,
        'score', CASE WHEN n %% 7 > 0 THEN random_normal() END, 'overdue', (random() * 4)::int,
        'roams', n %% 5 = 0, 'plan', (ARRAY['basic', 'family', 'business'])[1 + n %% 3],
        'city', (%(cities)s::text[] || NULL)[1 + n %% 13]),
    CASE WHEN confidence > 0.7 THEN 'stays' ELSE 'leaves' END, NULL, confidence,
    jsonb_build_object('stays', confidence, 'leaves', 1 - confidence), at, at, 1
FROM (SELECT n, 0.5 + random() / 2 AS confidence, now() - (%(rows)s - n) * interval '2.6 s' AS at
    FROM generate_series(1, %(rows)s) AS n) AS drawn
"""


@transaction.atomic
def load(model: int, cities: list[str], rows: int) -> None:
    """Draw `rows` predictions of a version."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT setseed(0.5)")
        cursor.execute(INSERT, {"model": model, "cities": cities, "rows": rows})
