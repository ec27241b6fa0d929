"""Imports: files that clients send, in parts, and the jobs that load them."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('store', '0023_receivers'),
    ]

    operations = [
        migrations.CreateModel(
            name='Import',
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
                ('name', models.CharField(max_length=100)),
                ('size', models.BigIntegerField()),
                ('digest', models.CharField(max_length=64)),
                ('max_rejects', models.PositiveIntegerField(default=0)),
                ('day_first', models.BooleanField(null=True)),
                ('message', models.TextField(blank=True)),
                ('inserted', models.BigIntegerField(default=0)),
                ('updated', models.BigIntegerField(default=0)),
                ('unchanged', models.BigIntegerField(default=0)),
                ('rejected', models.BigIntegerField(default=0)),
                ('repeated', models.BigIntegerField(default=0)),
                ('new_columns', models.JSONField(default=list)),
                ('remarks', models.JSONField(default=list)),
            ],
            options={
                'constraints': [models.UniqueConstraint(condition=models.Q(('status__in', ('READY', 'RUNNING'))), fields=('product', 'digest'), name='one_unfinished_import_per_file'), models.CheckConstraint(condition=models.Q(('status__in', ('READY', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED'))), name='import_status_is_known')],
            },
        ),
        migrations.CreateModel(
            name='ImportPart',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('is_reject_list', models.BooleanField(default=False)),
                ('number', models.PositiveIntegerField()),
                ('content', models.BinaryField()),
                ('job', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='parts', to='store.import')),
            ],
            options={
                'default_permissions': (),
                'constraints': [models.UniqueConstraint(fields=('job', 'is_reject_list', 'number'), name='one_part_of_an_import_per_number')],
            },
        ),
    ]
