"""What versions have learned from, the hours of their predictions, and the triggers that mark these as stale."""

import django.db.models.deletion
from django.db import migrations, models

from store.quality.drift_hours import DROP_TRIGGERS, TRIGGERS


class Migration(migrations.Migration):

    dependencies = [
        ('store', '0036_quality_days'),
    ]

    operations = [
        migrations.CreateModel(
            name='DriftReference',
            fields=[
                ('model', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='drift_reference', serialize=False, to='store.modelversion')),
                ('problem', models.TextField(blank=True)),
                ('features', models.JSONField(default=list)),
                ('answers', models.JSONField(null=True)),
                ('answers_basis', models.CharField(blank=True, max_length=11)),
                ('counted_until', models.DateTimeField(null=True)),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='DriftHour',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('hour', models.DateTimeField()),
                ('counts', models.BinaryField()),
                ('stale', models.BooleanField(db_default=False, default=False)),
                ('reference', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='hours', to='store.driftreference')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('stale', True)), fields=['id'], name='drift_hours_stale')],
                'constraints': [models.UniqueConstraint(fields=('reference', 'hour'), name='one_count_per_hour')],
            },
        ),
        migrations.RunSQL(TRIGGERS, DROP_TRIGGERS),
    ]
