"""The order in which to label what has no label."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


#: Predictions are deleted by SQL as well, so the database takes the rows along.
CASCADE = """
ALTER TABLE store_labelcandidate ADD CONSTRAINT store_labelcandidate_of_prediction
    FOREIGN KEY (prediction_id) REFERENCES store_prediction ON DELETE CASCADE
"""


class Migration(migrations.Migration):

    dependencies = [
        ('store', '0033_comparisons'),
    ]

    operations = [
        migrations.CreateModel(
            name='LabelQueue',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('product', models.CharField(max_length=40, unique=True)),
                ('generation', models.PositiveIntegerField(default=0)),
                ('computed_at', models.DateTimeField(null=True)),
                ('seconds', models.FloatField(default=0.0)),
                ('facts', models.JSONField(default=dict)),
                ('looked_at', models.DateTimeField(null=True)),
                ('requested_at', models.DateTimeField(null=True)),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='LabelCandidate',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('product', models.CharField(max_length=40)),
                ('generation', models.PositiveIntegerField()),
                ('position', models.PositiveIntegerField()),
                ('subject', models.UUIDField()),
                ('entity', models.TextField(null=True)),
                ('reference', models.TextField(null=True)),
                ('answer', models.TextField(null=True)),
                ('runner_up', models.TextField(null=True)),
                ('confidence', models.FloatField(null=True)),
                ('uncertainty', models.FloatField(null=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('model', models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='store.modelversion')),
                ('prediction', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='store.prediction')),
            ],
            options={
                'default_permissions': (),
                'constraints': [models.UniqueConstraint(fields=('product', 'generation', 'position'), name='one_candidate_per_place')],
            },
        ),
        migrations.RunSQL(CASCADE, "ALTER TABLE store_labelcandidate DROP CONSTRAINT store_labelcandidate_of_prediction"),
    ]
