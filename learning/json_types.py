"""Types of JSON values."""

from collections.abc import Mapping, Sequence

#: A value in JSON's own types.
JSONValue = None | bool | int | float | str | Sequence["JSONValue"] | Mapping[str, "JSONValue"]
JSONObject = Mapping[str, JSONValue]
