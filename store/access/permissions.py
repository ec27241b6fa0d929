"""Permissions: the acts that a caller may be granted, on all products or on one."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Permission(StrEnum):
    """An act that a caller may be granted."""

    VIEW = "VIEW"
    PREDICT = "PREDICT"
    FEEDBACK = "FEEDBACK"
    BUILD = "BUILD"
    PROMOTE = "PROMOTE"
    DELETE = "DELETE"
    ERASE = "ERASE"
    ADMINISTER = "ADMINISTER"

    @property
    def codename(self) -> str:
        """The name of Django's permission that keeps it, on the model of product states."""
        return f"{self.lower()}_product"

    @classmethod
    def of_codename(cls, codename: str) -> "Permission | None":
        """Get the permission that Django keeps under this name; None for any other of Django's."""
        return BY_CODENAME.get(codename)


#: What each permission allows, as the admin and the documentation say it.
TITLES = {
    Permission.VIEW: "Read predictions, rows, feedback, builds and models",
    Permission.PREDICT: "Request predictions, and read back one's own",
    Permission.FEEDBACK: "Give feedback, and write feature rows",
    Permission.BUILD: "Request and cancel builds, batch scorings and comparisons",
    Permission.PROMOTE: "Promote and roll back models",
    Permission.DELETE: "Delete predictions",
    Permission.ERASE: "Erase all that is stored about an entity",
    Permission.ADMINISTER: "Grant permissions, make tokens, speak for others, read the audit",
}
BY_CODENAME = {permission.codename: permission for permission in Permission}
#: As Django's models declare permissions.
CODENAMES = [(permission.codename, title) for permission, title in TITLES.items()]
#: What strangers may do while EXEMPLAR_OPEN is on.
OPEN = frozenset(Permission) - {Permission.ADMINISTER}
NONE: frozenset[Permission] = frozenset()


@dataclass(frozen=True, eq=False)
class Grants:
    """The permissions of a caller."""

    #: On all products, those that are declared later included.
    everywhere: frozenset[Permission] = NONE
    by_product: Mapping[str, frozenset[Permission]] = field(default_factory=dict)

    def allow(self, permission: Permission, product: str | None) -> bool:
        """Return True if the permission is granted on the product; for None, on all products."""
        if permission in self.everywhere:
            return True
        return product is not None and permission in self.by_product.get(product, NONE)

    def allow_somewhere(self, permission: Permission) -> bool:
        """Return True if the permission is granted on any product."""
        return permission in self.everywhere or any(permission in own for own in self.by_product.values())

    def on(self, product: str) -> frozenset[Permission]:
        """Get the permissions on a product."""
        return self.everywhere | self.by_product.get(product, NONE)

    @property
    def is_empty(self) -> bool:
        return not self.everywhere and not any(self.by_product.values())

    def __or__(self, other: "Grants") -> "Grants":
        """Join the permissions of two grantees."""
        products = {*self.by_product, *other.by_product}
        return Grants(
            self.everywhere | other.everywhere,
            {name: self.by_product.get(name, NONE) | other.by_product.get(name, NONE) for name in products},
        )

    def within(
        self, permissions: Collection[Permission] | None, products: Collection[str] | None
    ) -> "Grants":
        """Narrow the grants to a scope; None is no limit."""
        allowed = frozenset(Permission if permissions is None else permissions)
        by_product = {
            name: self.on(name) & allowed for name in (products if products is not None else self.by_product)
        }
        return Grants(NONE if products is not None else self.everywhere & allowed, by_product)


ALL = Grants(frozenset(Permission))
EVERYTHING_OPEN = Grants(OPEN)
