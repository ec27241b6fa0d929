"""How much choosing a version's recipe has raised its score."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("store", "0017_what_serves")]

    operations = [migrations.AddField("modelversion", "optimism", models.FloatField(db_default=0.0))]
