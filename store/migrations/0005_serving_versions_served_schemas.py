"""Libraries that what serves depends on, and the schemas that clients were served."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("store", "0011_input_is_valid")]

    operations = [
        migrations.AddField(
            model_name="modelversion",
            name="serving_versions",
            field=models.JSONField(null=True),
        ),
        migrations.CreateModel(
            name="ServedSchema",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("digest", models.CharField(max_length=64, unique=True)),
                ("sdl", models.TextField()),
                ("served_at", models.DateTimeField()),
            ],
            options={"abstract": False},
        ),
    ]
