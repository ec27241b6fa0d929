"""When a build ends at the latest, and which versions serve while their build goes on."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("store", "0012_the_databases_clock")]

    operations = [
        migrations.AddField("build", "ends_by", models.DateTimeField(null=True)),
        migrations.AddField("modelversion", "early", models.BooleanField(db_default=False)),
    ]
