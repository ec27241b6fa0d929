"""Kinds of users, tokens, three groups, strangers, and the triggers that note every change of who may do what."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.contrib.auth.management import create_permissions
from django.db import migrations, models

GROUPS = {
    "readers": ["view"],
    "labellers": ["view", "predict", "feedback"],
    "operators": ["view", "predict", "feedback", "build", "promote", "delete", "erase"],
}

#: One row for a statement, whatever it changes.
FUNCTION = """
CREATE FUNCTION exemplar.note_access_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO exemplar.exemplar_accesschange DEFAULT VALUES;
    RETURN NULL;
END
$$;
"""
#: By table, the statements that change who may do what; a login, the use of a token and new data in a session do not.
EVENTS = {
    "exemplar_user": "INSERT OR DELETE OR UPDATE OF username, password, is_active, is_superuser, kind",
    "exemplar_user_groups": "INSERT OR DELETE OR UPDATE",
    "exemplar_user_user_permissions": "INSERT OR DELETE OR UPDATE",
    "exemplar_token": "INSERT OR DELETE OR UPDATE OF user_id, digest, permissions, products, expires_at, revoked_at",
    "auth_group": "DELETE OR UPDATE",
    "auth_group_permissions": "INSERT OR DELETE OR UPDATE",
    "guardian_userobjectpermission": "INSERT OR DELETE OR UPDATE",
    "guardian_groupobjectpermission": "INSERT OR DELETE OR UPDATE",
    "django_session": "DELETE",
}
TRIGGERS = "\n".join(
    f"CREATE TRIGGER note_access_change AFTER {events} ON exemplar.{table} "
    "FOR EACH STATEMENT EXECUTE FUNCTION exemplar.note_access_change();"
    for table, events in EVENTS.items()
)
UNDO = "DROP FUNCTION exemplar.note_access_change() CASCADE"


def create_grantees(apps, schema_editor):
    """Create the three groups with their permissions, and the user that stands for strangers."""
    store = apps.get_app_config("store")
    store.models_module = True  # what Django's own command wants to see
    create_permissions(store, apps=apps, verbosity=0)
    store.models_module = None
    groups, permissions = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    for name, granted in GROUPS.items():
        group, is_new = groups.objects.get_or_create(name=name)
        if is_new:
            codenames = [f"{permission}_product" for permission in granted]
            group.permissions.set(permissions.objects.filter(content_type__app_label="store", codename__in=codenames))
    users = apps.get_model("exemplar", "User").objects
    for user in users.filter(username="anonymous"):  # a person of that name keeps the account
        user.username = f"anonymous_{user.pk}"
        user.save()
    users.create(username="anonymous", kind="STRANGERS", password="!", is_active=True)


class Migration(migrations.Migration):
    dependencies = [
        ("exemplar", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("guardian", "0003_remove_groupobjectpermission_guardian_gr_content_ae6aec_idx_and_more"),
        ("sessions", "0001_initial"),
        ("store", "0019_product_permissions"),
    ]

    operations = [
        migrations.AddField(
            model_name="user",
            name="kind",
            field=models.CharField(
                choices=[("PERSON", "person"), ("PROGRAM", "program"), ("STRANGERS", "strangers")],
                default="PERSON",
                max_length=10,
            ),
        ),
        migrations.CreateModel(
            name="AccessChange",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={"abstract": False},
        ),
        migrations.CreateModel(
            name="Token",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("prefix", models.CharField(max_length=20, unique=True)),
                ("digest", models.BinaryField(max_length=32, unique=True)),
                ("note", models.CharField(blank=True, max_length=200)),
                (
                    "permissions",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=20), null=True, size=None
                    ),
                ),
                (
                    "products",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=40), null=True, size=None
                    ),
                ),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("created_by", models.CharField(max_length=200)),
                ("expires_at", models.DateTimeField(null=True)),
                ("revoked_at", models.DateTimeField(null=True)),
                ("last_used_at", models.DateTimeField(null=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="tokens",
                        to="exemplar.user",
                    ),
                ),
            ],
            options={"abstract": False},
        ),
        migrations.RunSQL(FUNCTION + TRIGGERS, UNDO),
        migrations.RunPython(create_grantees, migrations.RunPython.noop),
    ]
