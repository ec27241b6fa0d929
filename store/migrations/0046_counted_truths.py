"""The index that predictions are counted by has the subject, so that they are counted by truth without being read.

In a transaction of its own: whoever gives feedback has locked a prediction, and waited for 0043 if it computed truths.
"""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('store', '0045_imports_of_feedback'),
    ]

    operations = [
        migrations.RemoveIndex(model_name='prediction', name='predictions_newest_first'),
        migrations.AddIndex(
            model_name='prediction',
            index=models.Index(
                fields=['product', '-created_at', '-id'],
                include=['answer', 'model', 'served', 'subject'],
                name='predictions_newest_first',
            ),
        ),
    ]
