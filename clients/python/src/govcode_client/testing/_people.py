"""The people of the fake node, and their phones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from govcode_client.device import HolderDevice


@dataclass(frozen=True, slots=True, kw_only=True)
class FakePerson:
    """A person with a phone; made by `FakeNode.person`.

    Attributes:
        name: The name, disclosed to scenes.
        device: The phone's SM2 key.
        id_number: Invented.
    """

    name: str
    device: HolderDevice
    id_number: str = "000000000000000000"
    uscc: str = field(default="")

    def identify(self, begun: Any, /) -> bytes:
        """It does what a device kit does; the fake node believes it."""
        return f"{self.name}\n{begun.identification_id}".encode()
