"""What the calibration of a version changes, and the horizon of its scores."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("store", "0016_early_versions_ends_by")]

    operations = [
        migrations.AddField("modelversion", "calibration", models.JSONField(null=True)),
        migrations.AddField("modelversion", "horizon", models.TextField(blank=True, db_default="")),
    ]
