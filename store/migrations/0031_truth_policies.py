"""Truth policies: a row for each product, the groups of a word's author, and the views that read both."""

from importlib import import_module

import django.contrib.postgres.fields
from django.db import migrations, models

from store.predictions.truth import STORED, TRUTHS, VOICES

FIRST_VIEW = import_module("store.migrations.0001_initial").VIEW
VOICE_VIEW = f"CREATE VIEW store_voice AS {VOICES.format(**STORED)}"
TRUTH_VIEW = f"CREATE VIEW store_truth AS {TRUTHS.format(**STORED)}"


class Migration(migrations.Migration):

    dependencies = [
        ('store', '0030_served'),
    ]

    operations = [
        migrations.CreateModel(
            name='Voice',
            fields=[
                ('id', models.BigIntegerField(primary_key=True, serialize=False)),
                ('product', models.CharField(max_length=40)),
                ('subject', models.UUIDField()),
                ('entity', models.TextField(null=True)),
                ('author', models.CharField(max_length=200)),
                ('answer', models.TextField()),
                ('counts', models.BooleanField()),
            ],
            options={
                'db_table': 'store_voice',
                'managed': False,
            },
        ),
        migrations.AddField(
            model_name='feedback',
            name='groups',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=150), null=True, size=None),
        ),
        migrations.CreateModel(
            name='TruthPolicy',
            fields=[
                ('product', models.CharField(max_length=40, primary_key=True, serialize=False)),
                ('kind', models.CharField(max_length=8)),
                ('groups', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=150), default=list, size=None)),
                ('quorum', models.PositiveIntegerField(default=1)),
                ('before', models.JSONField(null=True)),
            ],
            options={
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('kind__in', ['MAJORITY', 'LATEST', 'PRIORITY'])), name='truth_policy_is_known'),
                    models.CheckConstraint(condition=models.Q(('quorum__gte', 1)), name='quorum_is_somebody'),
                ],
            },
        ),
        migrations.RunSQL("DROP VIEW store_truth", FIRST_VIEW),
        migrations.RunSQL(f"{VOICE_VIEW}; {TRUTH_VIEW}", "DROP VIEW store_truth; DROP VIEW store_voice"),
    ]
