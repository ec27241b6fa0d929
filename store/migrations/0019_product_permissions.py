"""The permissions that grantees may be granted, on the model of product states."""

from django.db import migrations

from store.access.permissions import CODENAMES


class Migration(migrations.Migration):
    dependencies = [("store", "0018_optimism")]

    operations = [
        migrations.AlterModelOptions(
            name="productstate", options={"verbose_name": "product", "permissions": CODENAMES}
        ),
        migrations.AlterModelOptions(
            name="modelversion", options={"base_manager_name": "objects", "verbose_name": "version"}
        ),
        migrations.AlterModelOptions(name="build", options={}),
    ]
