"""Content negotiation: the media type of this API that a client prefers."""

from strawberry.http.parse_content_type import parse_content_type

JSON = "application/json"
RESPONSE = "application/graphql-response+json"
EVENTS = "text/event-stream"
MULTIPART = "multipart/mixed"

#: Media types that a wildcard stands for; the first that is not refused is used.
WILDCARDS = {"*/*": (JSON, RESPONSE), "application/*": (JSON, RESPONSE), "text/*": (EVENTS,)}


def choose(accept: str) -> str | None:
    """The media type that `accept` ranks highest, by quality, then order; None if it accepts none of this API."""
    ranges = sorted(read(accept or "*/*"), key=lambda range_: -range_[1])
    refused = {media_type for media_type, quality in ranges if quality == 0}
    offers = (
        offer
        for media_type, quality in ranges
        if quality > 0
        for offer in WILDCARDS.get(media_type, (media_type,))
        if offer in {JSON, RESPONSE, EVENTS, MULTIPART} - refused
    )
    return next(offers, None)


def read(accept: str) -> list[tuple[str, float]]:
    """Media ranges with their qualities, in order; `multipart/mixed` only if it is meant for subscriptions."""
    ranges = []
    for part in filter(str.strip, accept.split(",")):
        media_type, parameters = parse_content_type(part.strip())
        media_type = media_type.lower()
        if media_type == MULTIPART and "subscriptionspec" not in {name.lower() for name in parameters}:
            continue
        ranges.append((media_type, quality(parameters.get("q", "1"))))
    return ranges


def quality(text: str) -> float:
    """A q-value, 0 to 1; 0 if the text is not a number, so that the range is never chosen."""
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 0.0


def is_json(content_type: str) -> bool:
    """Check if a body is JSON in UTF-8."""
    media_type, parameters = parse_content_type(content_type or "text/plain")
    return media_type.lower() == JSON and parameters.get("charset", "utf-8").lower() == "utf-8"


def prefers_page(accept: str) -> bool:
    """Check if `accept` ranks a web page highest."""
    ranges = sorted(read(accept), key=lambda range_: -range_[1])
    return bool(ranges) and ranges[0][0] in ("text/html", "application/xhtml+xml")
