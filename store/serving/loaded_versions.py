"""Loaded versions: models that do not serve, loaded when they are asked; the last used ones stay in memory."""

from threading import Lock

from learning.model import Model

from ..products.product import DataProduct
from ..registry.versions import ModelVersion
from . import champions

#: Versions that stay in memory at most, and the bytes of their artifacts.
MOST_VERSIONS, MOST_BYTES = 4, 128 * 1024 * 1024


class LoadedVersions:
    """A bounded cache of models, the least recently used of which goes first. Thread-safe."""

    def __init__(self, most_versions: int = MOST_VERSIONS, most_bytes: int = MOST_BYTES):
        self.most_versions, self.most_bytes = most_versions, most_bytes
        self._models: dict[int, tuple[Model, int]] = {}
        self._lock = Lock()

    def get(self, product: DataProduct, version: ModelVersion) -> Model:
        """Get a version's model: the champion's as it serves, or loaded and verified. Raises ModelDoesNotFit.

        One is loaded at a time, so that several requests for one version load it once. It may take seconds: never call
        it on the event loop.
        """
        champion = champions.find_champion(product)
        if champion is not None and champion.version.pk == version.pk:
            return champion.model
        with self._lock:
            if version.pk in self._models:
                model, size = self._models.pop(version.pk)  # the last one of the order from now on
            else:
                model, size = version.load(product), version.size
            self._models[version.pk] = model, size
            while len(self._models) > self.most_versions or self._size() > self.most_bytes:
                del self._models[next(iter(self._models))]
            return model

    def _size(self) -> int:
        return sum(size for _, size in self._models.values())


#: Those of this process.
loaded = LoadedVersions()
