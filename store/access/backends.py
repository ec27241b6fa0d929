"""The backend of logins through the identity provider, by whose name sessions and the audit log tell them apart."""

from typing import Any

from django.contrib.auth.backends import ModelBackend


class IdentityProviderBackend(ModelBackend):
    """Users and permissions are Django's; credentials are verified before, by `store.access.code_flow`."""

    def authenticate(self, *_: Any, **__: Any) -> None:
        """Take no passwords."""
        return None
