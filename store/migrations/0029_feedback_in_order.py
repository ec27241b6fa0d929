"""The index by which feedback is listed, with the column that tells equal times apart."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("store", "0028_lists_of_feedback"),
    ]

    operations = [
        migrations.RemoveIndex(model_name="feedback", name="feedback_by_age"),
        migrations.AddIndex(
            model_name="feedback",
            index=models.Index(fields=["product", "created_at", "id"], name="feedback_by_age"),
        ),
    ]
