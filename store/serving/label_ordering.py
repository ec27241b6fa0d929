"""Label ordering: the job that orders what to label next in a product, and stores the order as a generation."""

import time
from collections.abc import Sequence

import numpy as np

from learning.evaluation import label_order

from ..products import catalogue
from ..products.product import DataProduct
from . import label_pool, label_queue
from .label_pool import Unlabelled
from .label_queue import LabelQueue


def run_job(pk: int) -> None:
    """Run the job that RQ calls. Where it comes twice, or the product is declared no longer, nothing is done."""
    row = LabelQueue.objects.filter(pk=pk, requested_at__isnull=False).first()
    product = catalogue.find(row.product) if row else None
    if row and product:
        update(row, product)


def update(row: LabelQueue, product: DataProduct) -> bool:
    """Order a product's queue anew; returns whether the order has changed."""
    started, facts = time.monotonic(), label_queue.read_facts(product)
    rows = order(product, label_pool.gather(product))
    return row.replace(rows, facts, time.monotonic() - started)


def order(product: DataProduct, rows: list[Unlabelled]) -> list[Unlabelled]:
    """Order subjects by what their labels would teach, as many as a queue has."""
    readable = label_pool.select_readable(product, rows)
    if not readable:
        return []
    places = label_order.order_rows(label_pool.place(product, readable), _weigh(readable), label_queue.MOST)
    return [readable[place] for place in places]


def _weigh(rows: Sequence[Unlabelled]) -> label_order.Floats:
    """Compute the uncertainty of each subject; of what no version says, the greatest of the others.

    So a product whose model is certain of nothing yet is labelled by the variety of its rows.
    """
    greatest = max((row.uncertainty for row in rows if row.uncertainty is not None), default=1.0)
    return np.array([greatest if row.uncertainty is None else row.uncertainty for row in rows])
