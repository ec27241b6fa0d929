"""Content negotiation: which of our media types a client wants most."""

from strawberry.http.parse_content_type import parse_content_type

JSON = "application/json"
RESPONSE = "application/graphql-response+json"
EVENTS = "text/event-stream"
MULTIPART = "multipart/mixed"

#: What wildcards mean, the first that is not refused.
WILDCARDS = {"*/*": (JSON, RESPONSE), "application/*": (JSON, RESPONSE), "text/*": (EVENTS,)}


def choose(accept: str) -> str | None:
    """The media type that `accept` ranks highest, by quality, then order; None if it takes none of ours."""
    ranges = sorted(read(accept or "*/*"), key=lambda range_: -range_[1])
    refused = {media_type for media_type, quality in ranges if quality == 0}
    wanted = (
        offer
        for media_type, quality in ranges
        if quality > 0
        for offer in WILDCARDS.get(media_type, (media_type,))
        if offer in {JSON, RESPONSE, EVENTS, MULTIPART} - refused
    )
    return next(wanted, None)


def read(accept: str) -> list[tuple[str, float]]:
    """Media ranges with their qualities, in order; `multipart/mixed` only where subscriptions are meant."""
    ranges = []
    for part in filter(str.strip, accept.split(",")):
        media_type, parameters = parse_content_type(part.strip())
        media_type = media_type.lower()
        if media_type == MULTIPART and "subscriptionspec" not in {name.lower() for name in parameters}:
            continue
        ranges.append((media_type, quality(parameters.get("q", "1"))))
    return ranges


def quality(text: str) -> float:
    """A q-value; what is none counts as 0, so that it chooses nothing."""
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 0.0


def is_json(content_type: str) -> bool:
    """Whether a body is JSON in UTF-8."""
    media_type, parameters = parse_content_type(content_type or "text/plain")
    return media_type.lower() == JSON and parameters.get("charset", "utf-8").lower() == "utf-8"


def prefers_page(accept: str) -> bool:
    """Whether a web page is what `accept` ranks highest."""
    ranges = sorted(read(accept), key=lambda range_: -range_[1])
    return bool(ranges) and ranges[0][0] in ("text/html", "application/xhtml+xml")
