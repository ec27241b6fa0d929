"""Names of choices that the API has served, and what the rows of a snapshot hold that is no choice."""

import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("store", "0003_artifact_in_parts")]

    operations = [
        migrations.CreateModel(
            name="ServedChoice",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("product", models.CharField(max_length=40)),
                ("column", models.CharField(blank=True, max_length=40)),
                ("value", models.TextField(blank=True)),
                ("name", models.CharField(max_length=200)),
                ("title", models.TextField()),
                ("served_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.AddConstraint(
            model_name="servedchoice",
            constraint=models.UniqueConstraint(
                fields=("product", "column", "name"), name="one_value_per_name_of_a_served_choice"
            ),
        ),
        migrations.AddField(
            model_name="snapshot",
            name="undeclared",
            field=models.JSONField(default=list),
        ),
    ]
