"""Artifacts as they are written: pickles hardly shrink, and a part of one that is compressed takes reading all of it."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("store", "0002_retraining_room_diagnostics_scoring")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE store_modelversion ALTER artifact SET STORAGE EXTERNAL",
            "ALTER TABLE store_modelversion ALTER artifact SET STORAGE EXTENDED",
        )
    ]
