"""Fold model cache: models of the search's folds in files, so that averages of them cost few fits."""

from dataclasses import dataclass
from pathlib import Path

from ..estimators.families import Candidate

#: Upper bounds, in bytes, of one model and of all models that a process stores; others are fitted again if needed.
LARGEST, MOST = 32 * 2**20, 2**30


@dataclass
class FoldModelCache:
    """Folder of artifacts that lives as long as the build."""

    folder: Path
    #: Bytes that this process has stored.
    stored_bytes: int = 0

    def store(self, candidate: Candidate, fold: int, artifact: bytes) -> None:
        """Store an artifact, unless it exceeds a bound."""
        if len(artifact) > LARGEST or self.stored_bytes + len(artifact) > MOST:
            return
        self.stored_bytes += len(artifact)
        partial = self._file(candidate, fold).with_suffix(".part")
        partial.write_bytes(artifact)
        partial.rename(self._file(candidate, fold))  # atomic, because the process may be killed here

    def load(self, candidate: Candidate, fold: int) -> bytes | None:
        """Load the artifact of this fold; None if it was not stored."""
        try:
            return self._file(candidate, fold).read_bytes()
        except FileNotFoundError:
            return None

    def has(self, candidate: Candidate, fold: int) -> bool:
        """Return whether the artifact of this fold is stored."""
        return self._file(candidate, fold).exists()

    def _file(self, candidate: Candidate, fold: int) -> Path:
        return self.folder / f"{candidate.key}-{fold}.model"
