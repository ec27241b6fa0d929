"""Who asked for a prediction without being allowed to view the product's."""

import django.db.models.deletion
from django.db import migrations, models

#: Predictions are deleted by SQL as well, so the database takes the rows along.
CASCADE = """
ALTER TABLE store_predictionasker ADD CONSTRAINT store_predictionasker_of_prediction
    FOREIGN KEY (prediction_id) REFERENCES store_prediction ON DELETE CASCADE
"""


class Migration(migrations.Migration):
    dependencies = [("store", "0020_accepted_schemas_retired_features")]

    operations = [
        migrations.CreateModel(
            name="PredictionAsker",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "prediction_id", "author", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("author", models.CharField(max_length=200)),
                (
                    "prediction",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="askers",
                        to="store.prediction",
                    ),
                ),
            ],
            options={"default_permissions": (), "abstract": False},
        ),
        migrations.RunSQL(CASCADE, "ALTER TABLE store_predictionasker DROP CONSTRAINT store_predictionasker_of_prediction"),
    ]
