"""Documents that requests name instead of bringing them: those of the manifest, and those that clients sent before.

By Apollo's protocol of automatic persisted queries, a client sends the hash of a document alone, and its text along
once the hash was not found. Such documents are kept in memory, and in Valkey for other processes, both bounded. All
methods but those that ask Valkey belong to the event loop.
"""

import asyncio
import hashlib
import hmac
import logging
import time
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

from django.conf import settings

from learning.lazy_imports import LazyModule
from store.access.actors import Actor
from store.exceptions import Forbidden
from store.jobs import events

from ..core.errors import BadRequest, PersistedQueryNotFound

if TYPE_CHECKING:
    import redis
else:
    redis = LazyModule("redis")

log = logging.getLogger(__name__)

#: Documents that are kept in each process and in Valkey, and characters of one of them, at most: 20 MB each.
MOST_DOCUMENTS = 1_000
LONGEST_DOCUMENT = 20_000
#: Valkey's names of the texts by hash, and of the hashes by when they were sent.
TEXTS, TIMES = "exemplar:documents", "exemplar:documents:times"

NOT_TRUSTED = (
    "Only documents of the application's manifest are executed for strangers: send one of them, as it is or by its id, "
    "or a credential."
)


class DocumentName(NamedTuple):
    """The name by which a request says what it wants to execute."""

    id: str
    #: True for the hash of Apollo's protocol, False for an id of the manifest.
    automatic: bool


def name_of(extensions: Mapping[str, Any] | None, document_id: str | None) -> DocumentName | None:
    """The name of the document in a request; None if it has none. Raises BadRequest."""
    persisted = (extensions or {}).get("persistedQuery")
    if persisted is None:
        return DocumentName(document_id.removeprefix("sha256:"), False) if document_id else None
    sha256 = persisted.get("sha256Hash") if isinstance(persisted, dict) else None
    if not isinstance(sha256, str) or persisted.get("version", 1) != 1:
        raise BadRequest(
            "`extensions.persistedQuery` must be {version: 1, sha256Hash: the document's SHA-256}."
        )
    return DocumentName(sha256, True)


class DocumentStore:
    """The documents of the manifest, and those that clients sent."""

    def __init__(self) -> None:
        self.trusted: Mapping[str, str] = settings.EXEMPLAR_DOCUMENTS
        self.trusted_texts = frozenset(self.trusted.values())
        #: By hash, the one that was used least recently first.
        self.sent: OrderedDict[str, str] = OrderedDict()
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="documents")

    def find(self, text: str | None, name: DocumentName | None, actor: Actor) -> str | None:
        """Find the document of a request without waiting; None if Valkey may have it, or if nothing is named.

        Raises BadRequest, Forbidden.
        """
        if name is not None and name.id in self.trusted:
            return self.trusted[name.id]
        if text is not None:
            self._check_trust(text, actor)
        if name is None:
            return text
        if not name.automatic:
            raise BadRequest(
                "The server's manifest has no document with this id: deploy the client's manifest."
            )
        self._check_trust(None, actor)
        if text is not None:
            self._check_hash(text, name)
            return text
        if name.id in self.sent:
            self.sent.move_to_end(name.id)
            return self.sent[name.id]
        return None

    async def get(self, text: str | None, name: DocumentName | None, actor: Actor) -> str | None:
        """Get the document of a request; None if it names none.

        Raises BadRequest, Forbidden, PersistedQueryNotFound.
        """
        document = self.find(text, name, actor)
        if name is None or not name.automatic or name.id in self.trusted:
            return document
        if document is None:
            document = await self._run(self._read, name.id)
            if document is None:
                raise PersistedQueryNotFound
            self._keep(name.id, document)
        elif name.id not in self.sent and len(document) <= LONGEST_DOCUMENT:
            self._keep(name.id, document)
            await self._run(self._write, name.id, document)
        return document

    def _check_trust(self, text: str | None, actor: Actor) -> None:
        """Check that a caller may send a document. Raises Forbidden."""
        if self.trusted and actor.anonymous and text not in self.trusted_texts:
            raise Forbidden(NOT_TRUSTED)

    def _check_hash(self, text: str, name: DocumentName) -> None:
        """Check that a text has the hash that it was sent with. Raises BadRequest."""
        digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
        if not hmac.compare_digest(digest, name.id.lower()):
            raise BadRequest("`sha256Hash` is not the SHA-256 of `query`, in hexadecimal.")

    def _keep(self, id: str, text: str) -> None:
        while len(self.sent) >= MOST_DOCUMENTS:
            self.sent.popitem(last=False)
        self.sent[id] = text

    async def _run(self, function: Any, *args: str) -> str | None:
        """Ask Valkey on a thread; without it, a process has only what it was sent itself."""
        try:
            text: str | None = await asyncio.get_running_loop().run_in_executor(self.thread, function, *args)
        except redis.RedisError as error:
            log.info("Valkey has no persisted documents at present: %s", error)
            return None
        return text

    def _read(self, id: str) -> str | None:
        with events.connect() as server:
            text: Any = server.hget(TEXTS, id)
        if text is None:
            return None
        # What others can write to Valkey is not trusted: the hash says what was sent.
        matches = hashlib.sha256(text).hexdigest() == id.lower()
        return text.decode() if matches else None

    def _write(self, id: str, text: str) -> None:
        with events.connect() as server, server.pipeline() as pipeline:
            pipeline.hset(TEXTS, id, text)
            pipeline.zadd(TIMES, {id: time.time()})
            pipeline.zrange(TIMES, 0, -MOST_DOCUMENTS - 1)
            oldest: Any = pipeline.execute()[-1]
            if oldest:
                pipeline.hdel(TEXTS, *oldest)
                pipeline.zrem(TIMES, *oldest)
                pipeline.execute()
