"""The points of the bench, in the order in which the table shows them."""

from collections.abc import Mapping
from types import ModuleType

from . import clusters, copies, curse, features, gate, horizon, intervals, nothing, short, told

POINTS: Mapping[int, ModuleType] = {
    module.POINT: module
    for module in (copies, intervals, gate, short, nothing, told, curse, horizon, features, clusters)
}
