"""The shelf: models of the search's folds, kept in files, so that few of them are fitted twice."""

from dataclasses import dataclass
from pathlib import Path

from ..estimators.families import Candidate

#: Bytes of one model and of all that a process keeps; what is larger is fitted again where it is wanted.
LARGEST, MOST = 32 * 2**20, 2**30


@dataclass
class FoldModelCache:
    """A folder that lives as long as the build."""

    folder: Path
    #: Bytes that this process has put there.
    filled: int = 0

    def put(self, candidate: Candidate, fold: int, artifact: bytes) -> None:
        """Keep it, where there is room."""
        if len(artifact) > LARGEST or self.filled + len(artifact) > MOST:
            return
        self.filled += len(artifact)
        part = self._file(candidate, fold).with_suffix(".part")
        part.write_bytes(artifact)
        part.rename(self._file(candidate, fold))  # whole or not at all: a fit may be killed here

    def get(self, candidate: Candidate, fold: int) -> bytes | None:
        try:
            return self._file(candidate, fold).read_bytes()
        except FileNotFoundError:
            return None

    def has(self, candidate: Candidate, fold: int) -> bool:
        return self._file(candidate, fold).exists()

    def _file(self, candidate: Candidate, fold: int) -> Path:
        return self.folder / f"{candidate.key}-{fold}.model"
