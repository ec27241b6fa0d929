"""Indexes that lists of predictions are filtered, searched and ordered by."""

import django.db.models.functions.comparison
import django.db.models.functions.text
from django.db import migrations, models

BY_NAME = {
    name: models.Index(
        models.F("product"),
        django.db.models.functions.comparison.Collate(django.db.models.functions.text.Lower(name), "C"),
        condition=models.Q((f"{name}__isnull", False)),
        name=f"predictions_by_{name}",
    )
    for name in ("entity", "reference")
}

OF_ORDERS = [
    *(
        models.Index(
            fields=[name, "id"], condition=models.Q((f"{name}__isnull", False)), name=f"predictions_by_{name}"
        )
        for name in ("confidence", "value")
    ),
    models.Index(fields=["product", "updated_at", "id"], name="predictions_by_update"),
]

#: The planner uses the statistics of an index only where it is of all rows, and would take a rare name for a usual one.
STATISTICS = """
CREATE STATISTICS exemplar.predictions_by_{0} ON (lower({0}) COLLATE "C") FROM exemplar.store_prediction
"""


class Migration(migrations.Migration):
    dependencies = [("store", "0021_prediction_askers")]

    operations = [
        migrations.RemoveIndex(model_name="prediction", name="predictions_by_reference"),
        *(
            migrations.AddIndex(model_name="prediction", index=index)
            for index in (*BY_NAME.values(), *OF_ORDERS)
        ),
        *(
            migrations.RunSQL(STATISTICS.format(name), f"DROP STATISTICS exemplar.predictions_by_{name}")
            for name in BY_NAME
        ),
    ]
