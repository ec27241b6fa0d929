"""Admission: what a caller asks for is counted before it is read, and what it holds open is bounded."""

from store.access import resolver
from store.access.actors import Actor, make_stranger
from store.access.caller_limits import has_rates, key_of, limits_of
from store.access.credentials import Credentials
from store.access.grants import Grants
from store.access.rate_limiter import RateLimiter
from store.exceptions import Unauthenticated

from ..core.request import GraphQLRequest
from ..execution.document_store import DocumentStore
from .occupancy import Occupancy, Slot

#: Under which a socket's ASGI scope holds its slot.
SLOT = "exemplar.slot"
#: Whoever brings a credential that does not hold.
GUESSER = make_stranger(None, Grants())


class Admission:
    """The limits of one event loop."""

    def __init__(self) -> None:
        self.limiter = RateLimiter()
        if has_rates():  # the import takes longer than an operation waits
            self.limiter.counters.open()
        self.documents = DocumentStore()
        self.sockets = Occupancy("WebSockets")
        self.subscriptions = Occupancy("streams")

    async def admit(self, request: GraphQLRequest, actor: Actor) -> None:
        """Count a request for its caller, once, and note what else it may send. Raises RateLimited."""
        limits = limits_of(actor)
        request.largest_body = limits.body
        if limits.rates and request.allowance is None:
            request.allowance = self.limiter.allowance(key_of(actor, request.address), limits.rates)
            await self.limiter.admit(request.allowance)

    async def find(self, credentials: Credentials, address: str) -> Actor:
        """Find the caller of a socket; a credential that does not hold counts for the address.

        Raises Unauthenticated, RateLimited.
        """
        try:
            return await resolver.find(credentials)
        except Unauthenticated:
            await self.admit_operation(GUESSER, address)
            raise

    async def find_and_admit(self, request: GraphQLRequest) -> Actor:
        """Find the caller of a request and count it; a credential that does not hold counts for the address.

        Raises Unauthenticated, RateLimited.
        """
        try:
            actor = await resolver.find(request.head.credentials)
        except Unauthenticated:
            await self.admit(request, GUESSER)
            raise
        await self.admit(request, actor)
        return actor

    async def admit_operation(self, actor: Actor, address: str) -> None:
        """Count an operation that came over a socket. Raises RateLimited."""
        if rates := limits_of(actor).rates:
            await self.limiter.admit(self.limiter.allowance(key_of(actor, address), rates))

    def enter_socket(self, slot: Slot, actor: Actor, address: str) -> None:
        """Count a socket for its caller instead of whom it was counted for before. Raises Overloaded."""
        slot.move(key_of(actor, address), limits_of(actor).sockets)

    def enter_stream(self, slot: Slot, actor: Actor, address: str) -> None:
        """Count a stream for its caller. Raises Overloaded."""
        slot.move(key_of(actor, address), limits_of(actor).subscriptions)
