"""Comparisons of two model versions on stored instances."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

#: Predictions are deleted by SQL as well, so the database takes the rows along.
CASCADE = """
ALTER TABLE store_comparisonflip ADD CONSTRAINT store_comparisonflip_of_prediction
    FOREIGN KEY (prediction_id) REFERENCES store_prediction ON DELETE CASCADE
"""


class Migration(migrations.Migration):

    dependencies = [
        ('store', '0032_rule_checks'),
    ]

    operations = [
        migrations.CreateModel(
            name='Comparison',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('product', models.CharField(max_length=40)),
                ('status', models.CharField(default='READY', max_length=9)),
                ('requested_by', models.CharField(max_length=200)),
                ('requested_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('started_at', models.DateTimeField(null=True)),
                ('ended_at', models.DateTimeField(null=True)),
                ('percent', models.FloatField(default=0.0)),
                ('attempt', models.PositiveIntegerField(default=0)),
                ('lease', models.DateTimeField(null=True)),
                ('job', models.CharField(blank=True, max_length=100)),
                ('problem_code', models.CharField(blank=True, max_length=40)),
                ('problem_message', models.TextField(blank=True)),
                ('traceback', models.TextField(blank=True)),
                ('since', models.DateTimeField(null=True)),
                ('sample', models.PositiveIntegerField()),
                ('instances', models.PositiveIntegerField(default=0)),
                ('unanswered', models.PositiveIntegerField(default=0)),
                ('labelled', models.PositiveIntegerField(default=0)),
                ('counted', models.PositiveIntegerField(default=0)),
                ('exclusions', models.JSONField(default=dict)),
                ('flipped', models.PositiveIntegerField(default=0)),
                ('metric', models.CharField(blank=True, max_length=60)),
                ('measures', models.JSONField(default=list)),
                ('first', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='store.modelversion')),
                ('second', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='store.modelversion')),
            ],
        ),
        migrations.CreateModel(
            name='ComparisonFlip',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('place', models.PositiveIntegerField()),
                ('first_answer', models.TextField()),
                ('second_answer', models.TextField()),
                ('first_confidence', models.FloatField(null=True)),
                ('second_confidence', models.FloatField(null=True)),
                ('truth', models.TextField(null=True)),
                ('counted', models.BooleanField()),
                ('comparison', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='flips', to='store.comparison')),
                ('prediction', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='store.prediction')),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.AddIndex(
            model_name='comparison',
            index=models.Index(fields=['second', 'first', '-id'], name='comparisons_of_a_pair'),
        ),
        migrations.AddConstraint(
            model_name='comparison',
            constraint=models.UniqueConstraint(condition=models.Q(('status__in', ('READY', 'RUNNING'))), fields=('first', 'second'), name='one_unfinished_comparison_per_pair'),
        ),
        migrations.AddConstraint(
            model_name='comparison',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ('READY', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED'))), name='comparison_status_is_known'),
        ),
        migrations.AddConstraint(
            model_name='comparison',
            constraint=models.CheckConstraint(condition=models.Q(('first', models.F('second')), _negated=True), name='comparison_of_two_versions'),
        ),
        migrations.AddConstraint(
            model_name='comparisonflip',
            constraint=models.UniqueConstraint(fields=('comparison', 'place'), name='one_flip_per_place'),
        ),
        migrations.RunSQL(CASCADE, "ALTER TABLE store_comparisonflip DROP CONSTRAINT store_comparisonflip_of_prediction"),
    ]
