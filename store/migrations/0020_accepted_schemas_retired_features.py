"""Schemas that were accepted although they break clients, and the last use of retired features."""

from django.db import migrations, models
from django.db.models.functions import Now

KEY = models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")


class Migration(migrations.Migration):
    dependencies = [("store", "0019_product_permissions")]

    operations = [
        migrations.CreateModel(
            name="AcceptedSchema",
            fields=[
                ("id", KEY.clone()),
                ("digest", models.CharField(max_length=64, db_index=True)),
                ("changes", models.JSONField()),
                ("reason", models.TextField()),
                ("accepted_by", models.CharField(max_length=200)),
                ("accepted_at", models.DateTimeField(db_default=Now())),
            ],
            options={"abstract": False},
        ),
        migrations.CreateModel(
            name="RetiredFeature",
            fields=[
                ("id", KEY.clone()),
                ("product", models.CharField(max_length=40)),
                ("name", models.CharField(max_length=40)),
                ("retired_at", models.DateTimeField(db_default=Now())),
                ("last_used_at", models.DateTimeField(null=True)),
            ],
            options={
                "abstract": False,
                "constraints": [
                    models.UniqueConstraint(
                        fields=["product", "name"], name="a_feature_is_retired_once_per_product"
                    )
                ],
            },
        ),
    ]
