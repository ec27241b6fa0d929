"""Claims of cases: who labels what at the moment, so that two people do not label the same.

Valkey has them, and they expire. One that is lost costs no fact: two people then see the same case, and the word of
each counts as it always does.
"""

import hashlib
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from learning.lazy_imports import LazyModule

from ..access import acting
from ..access.permissions import Permission
from ..jobs import events
from ..products import limits
from ..products.product import DataProduct
from . import truth
from .feedback import About
from .predictions import Prediction

if TYPE_CHECKING:
    import redis
else:
    redis = LazyModule("redis")

log = logging.getLogger(__name__)

#: Seconds for which nobody else gets a case that is claimed; claiming it again begins them anew.
SECONDS = 300
#: Cases of which one is claimed at once, at most.
MOST = 100
#: Characters of the name of a screen, at most.
LONGEST = 100

#: Gives the claimant its case of before if that is among these, else the first that is free, and frees the one before.
#: KEYS: where the claimant's case stands, then the cases. ARGV: the claimant, the seconds.
CLAIM = """
local before, place = redis.call('GET', KEYS[1]), nil
for number = 2, #KEYS do
  local holder = redis.call('GET', KEYS[number])
  if holder == ARGV[1] and KEYS[number] == before then place = number break end
  if not place and (not holder or holder == ARGV[1]) then place = number end
end
if before and before ~= KEYS[place or 1] and redis.call('GET', before) == ARGV[1] then redis.call('DEL', before) end
if not place then redis.call('DEL', KEYS[1]) return -1 end
redis.call('SET', KEYS[place], ARGV[1], 'EX', ARGV[2])
redis.call('SET', KEYS[1], KEYS[place], 'EX', ARGV[2])
return place - 2
"""


def claim(
    product: DataProduct, cases: Sequence[About], author: str, screen: str = ""
) -> tuple[int | None, bool]:
    """Claim one of the cases for an author: the one that it has already, else the first that nobody has.

    The author's claim of before ends.

    Args:
        screen: the name of the author's screen, where one author labels on several.

    Returns: the place of the claimed case, or None where others have all, and whether others are kept from it.
    Raises: Forbidden, OutOfRange.
    """
    acting.require(Permission.FEEDBACK, product.name)
    limits.check_size(cases, "cases", most=MOST)
    subjects = find_subjects(product, cases)
    places = [place for place, subject in enumerate(subjects) if subject is not None]
    claimant = hashlib.sha256(f"{author}\0{screen}".encode()).hexdigest()
    # The braces have all keys of a product on one server of a cluster.
    keys = [f"exemplar:cases:{{{product.name}}}:by:{claimant}"]
    keys += [f"exemplar:cases:{{{product.name}}}:{subjects[place]}" for place in places]
    try:
        with events.connect() as server:
            chosen = int(server.eval(CLAIM, len(keys), *keys, claimant, SECONDS))  # type: ignore[arg-type]
    except redis.RedisError as error:
        log.warning("Redis cannot be reached; two people may label the same case: %s", error)
        return (places[0] if places else None), False
    return (places[chosen] if chosen >= 0 else None), True


def find_subjects(product: DataProduct, cases: Sequence[About]) -> list[str | None]:
    """Find the subject of each case; None for a prediction that there is not."""
    predictions = Prediction.objects.filter(
        product=product.name, pk__in=[case.prediction for case in cases if case.prediction is not None]
    )
    by_key = {str(pk): subject for pk, subject in predictions.values_list("pk", "subject")}
    return [_find_subject(product, case, by_key) for case in cases]


def _find_subject(product: DataProduct, case: About, by_prediction: dict[str, str]) -> str | None:
    if case.prediction is not None:
        return by_prediction.get(str(case.prediction))
    if case.entity is not None:
        return truth.subject_of_entity(product, case.entity)
    return truth.subject_of_reference(product, case.reference or "")
