"""Changed subjects: a log of whatever may change what counts of stored predictions, written by triggers.

They write it in the transaction of the change, so that no way of writing feedback or deleting predictions can forget
it. The rollups of `store.quality` read and empty it.
"""

from django.db import models

from ..db.base import BaseModel
from ..db.fields import DigestField
from ..db.writes import Writes


class ChangedSubject(BaseModel):
    """A subject whose words have changed, or a day of which predictions have; neither: everything of the product."""

    #: Rows are locked before they are deleted, which takes the right to change a column.
    web_writes = worker_writes = Writes(insert=True, delete=True, update=("at",))

    product = models.CharField(max_length=40)
    subject = DigestField(null=True)
    #: The start of the day, in UTC.
    at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["product", "id"], name="changed_subjects_in_order")]

    def __str__(self) -> str:
        return f"{self.product}: {self.subject or self.at or 'everything'}"
