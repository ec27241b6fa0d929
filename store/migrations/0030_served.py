"""Predictions that were not served, which the index of the newest predictions has, so that counts read it alone."""

from django.db import migrations, models

INDEX = models.Index(
    fields=["product", "-created_at", "-id"],
    include=["answer", "model", "served"],
    name="predictions_newest_first",
)


class Migration(migrations.Migration):
    dependencies = [("store", "0029_feedback_in_order")]

    operations = [
        # PostgreSQL adds a column with a default without touching a row.
        migrations.AddField("prediction", "served", models.BooleanField(default=True, db_default=True)),
        migrations.RemoveIndex(model_name="prediction", name="predictions_newest_first"),
        migrations.AddIndex(model_name="prediction", index=INDEX),
    ]
