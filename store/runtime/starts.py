"""Starts in the audit log: which settings that decide who may do what a process starts with, where they changed."""

import hashlib
import hmac
import re
from typing import Any

from django.conf import settings
from django.db import transaction

from ..access import audit
from ..access.audit import Act, AuditEntry

#: Settings that differ from host to host, or say nothing of who may do what.
UNRELATED = {"CPUS", "PORT", "QUICK_BUILDS", "SIBLINGS", "STATE", "THREADS", "WEB", "WORKERS"}
#: Settings that are not shown: of keys a fingerprint, of all others whether they are set.
SECRET = re.compile("KEY|PASSWORD|SECRET|TOKEN|URL")
#: What fingerprints are made of beside the key: they are of no use elsewhere.
PURPOSE = b"exemplar audit log"


def record_start(process: str) -> None:
    """Record the start of a process unless the last of its kind had the same settings.

    Args:
        process: its kind, as "web".
    """
    now = describe_settings()
    with transaction.atomic():
        starts = AuditEntry.objects.filter(act=Act.START, operation=process)
        last = starts.order_by("-pk").first()
        before = last.details["settings"] if last else {}
        if before != now:
            changed = [name for name in sorted(before | now) if before.get(name) != now.get(name)]
            reason = f"Changed: {', '.join(changed)}." if last else "The first start."
            audit.record(Act.START, reason=reason, operation=process, details={"settings": now})


def describe_settings() -> dict[str, Any]:
    """Describe the settings of Exemplar that are related to access, by name."""
    names = [name for name in dir(settings) if name.startswith("EXEMPLAR_")]
    related = [name for name in names if name.removeprefix("EXEMPLAR_") not in UNRELATED]
    keys = {"SECRET_KEY": [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]}
    values = keys | {name: getattr(settings, name) for name in related}
    return {name: describe(name, value) for name, value in values.items()}


def describe(name: str, value: Any) -> Any:
    """Describe the value of a setting, as JSON has it."""
    if name in (
        "SECRET_KEY",
        "EXEMPLAR_SIGNING_KEY",
    ):  # which are strong, so that fingerprints give nothing away
        return [fingerprint(key) for key in value]
    if SECRET.search(name):
        return bool(value)
    return value if isinstance(value, bool | int | float | str | list | None) else str(value)


def fingerprint(key: str) -> str:
    """Compute a short name of a key, from which the key cannot be found."""
    return hmac.new(key.encode(), PURPOSE, hashlib.sha256).hexdigest()[:8]
