"""The index of the newest predictions has what charts count by, and PostgreSQL knows the number of their groups."""

from django.db import migrations, models

INDEX = models.Index(
    fields=["product", "-created_at", "-id"], include=["answer", "model"], name="predictions_newest_first"
)

#: Of the expression `predictions.time_steps.STEP`.
CREATE = """
CREATE STATISTICS predictions_by_quarter ON (date_bin('15 minutes', created_at, '2000-01-01 00:00+00'))
FROM store_prediction
"""


class Migration(migrations.Migration):
    dependencies = [("store", "0027_imports")]

    operations = [
        migrations.RemoveIndex(model_name="prediction", name="predictions_newest_first"),
        migrations.AddIndex(model_name="prediction", index=INDEX),
        migrations.RunSQL(CREATE, "DROP STATISTICS predictions_by_quarter"),
    ]
