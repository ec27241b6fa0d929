"""A rate and a quota of each user and program, whose changes are noted as others of who may do what."""

from django.db import migrations, models

import store.access.rates

COLUMNS = "username, password, is_active, is_superuser, kind"
TRIGGER = """
DROP TRIGGER note_access_change ON exemplar.exemplar_user;
CREATE TRIGGER note_access_change AFTER INSERT OR DELETE OR UPDATE OF {columns} ON exemplar.exemplar_user
    FOR EACH STATEMENT EXECUTE FUNCTION exemplar.note_access_change();
"""


class Migration(migrations.Migration):
    dependencies = [("exemplar", "0003_identities")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="rate",
            field=models.CharField(
                blank=True,
                default="",
                help_text="Operations in a short time, as 100/second, or unlimited. Empty: EXEMPLAR_RATE.",
                max_length=40,
                validators=[store.access.rates.validate],
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="user",
            name="quota",
            field=models.CharField(
                blank=True,
                default="",
                help_text="Operations in a long time, as 1000000/day, or unlimited. Empty: EXEMPLAR_QUOTA.",
                max_length=40,
                validators=[store.access.rates.validate],
            ),
            preserve_default=False,
        ),
        migrations.RunSQL(
            TRIGGER.format(columns=f"{COLUMNS}, rate, quota"), TRIGGER.format(columns=COLUMNS)
        ),
    ]
