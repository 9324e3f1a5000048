"""Enums of the contract and of the domain, joined by their names, which never change; numbers may differ."""

from collections.abc import Callable, Iterable
from enum import Enum
from typing import Generic, TypeVar

from govcode_node.domain.errors import InvalidFieldError

D = TypeVar("D", bound=Enum)
V = TypeVar("V", bound=int)


class EnumPair(Generic[D, V]):
    """One enum in both languages. A member that the contract lacks is a fault found at import."""

    def __init__(self, members: Iterable[D], value_of: Callable[[str], V], *, prefix: str) -> None:
        """It joins the members given.

        Args:
            members: Members that the contract has as well.
            value_of: The contract's look-up. Example: `verdictv1.Outcome.Value`.
            prefix: What the contract puts before each name. Example: `OUTCOME`.
        """
        self._values = {member: value_of(f"{prefix}_{member.name}") for member in members}
        self._members: dict[int, D] = {int(value): member for member, value in self._values.items()}
        self._unspecified = value_of(f"{prefix}_UNSPECIFIED")

    def to_proto(self, member: D | None) -> V:
        """It gives the contract's value; UNSPECIFIED for None and for members that the contract has no word for."""
        if member is None:
            return self._unspecified
        return self._values.get(member, self._unspecified)

    def from_proto(self, value: int) -> D | None:
        """It gives the member; None for UNSPECIFIED and for a value that this release does not know."""
        return self._members.get(value)

    def known(self, value: int, *, default: D) -> D:
        """It gives the member that a peer states; the default for none and for one that this release does not know."""
        member = self._members.get(value)
        return default if member is None else member

    def require(self, value: int, field: str) -> D:
        """It gives the member that a request must name.

        Raises:
            InvalidFieldError: It names none, or one that this release does not know.
        """
        member = self._members.get(value)
        if member is None:
            raise InvalidFieldError(field, "is required" if value == self._unspecified else "has an unknown value")
        return member

    def choose(self, value: int, field: str) -> D | None:
        """It gives the member that a request may name; None where it names none.

        Raises:
            InvalidFieldError: It names one that this release does not know: a wish must not be passed over.
        """
        return None if value == self._unspecified else self.require(value, field)

    def pick(self, value: int, field: str, *, default: D) -> D:
        """It gives the member that a request names, or the default; a member whose number is 0 is one like any other.

        Raises:
            InvalidFieldError: It names one that this release does not know.
        """
        return default if value == self._unspecified else self.require(value, field)
