"""The index by which an author's feedback is listed."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('store', '0024_counts'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='feedback',
            index=models.Index(fields=['product', 'author', '-created_at', '-id'], name='feedback_by_author'),
        ),
    ]
