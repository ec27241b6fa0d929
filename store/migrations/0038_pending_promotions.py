"""Winners of builds that wait for a comparison on stored instances."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('store', '0037_drift'),
    ]

    operations = [
        migrations.CreateModel(
            name='PendingPromotion',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('product', models.CharField(max_length=40)),
                ('reason', models.TextField()),
                ('started_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('judged', models.BooleanField(default=False)),
                ('counted', models.PositiveIntegerField(default=0)),
                ('lacking', models.PositiveIntegerField(default=1)),
                ('last_word', models.BigIntegerField(default=0)),
                ('message', models.TextField(blank=True)),
                ('ended_at', models.DateTimeField(null=True)),
                ('outcome', models.CharField(blank=True, max_length=9)),
                ('build', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='store.build')),
                ('champion', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='store.modelversion')),
                ('comparison', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='store.comparison')),
                ('model', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='store.modelversion')),
            ],
            options={
                'constraints': [models.UniqueConstraint(condition=models.Q(('ended_at', None)), fields=('product',), name='one_pending_promotion_per_product')],
            },
        ),
    ]
