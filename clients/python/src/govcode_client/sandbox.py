"""The sandbox (沙箱) from a client's side: its credentials file, its callers, and phones of its synthetic people.

    box = Sandbox.load("sandbox/sandbox.json")
    with box.client("holder_app") as holder, box.client("counter_app") as counter:
        phone = box.phone("holder")
        signed_in = holder.codes.sign_in(phone=phone, terms_version=box.terms_version)

`govcode sandbox` writes the file. What stands in it beyond the attributes here is in `Sandbox.facts`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from govcode.code.v1.code_application_service_pb2 import BeginIdentificationResponse

from govcode_client._aclient import AsyncClient
from govcode_client._client import Client
from govcode_client._identity import ClientIdentity
from govcode_client.device import HolderDevice
from govcode_client.sm2 import Sm2PrivateKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from govcode.authorization.v1.authorization_service_pb2 import BeginStepUpResponse


class SandboxFileError(ValueError):
    """The file is no credentials file of a sandbox, or has no such caller or person; the message says which."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxPhone:
    """The phone of a synthetic person: a device key, and the device kit of the sandbox's identity provider.

    Attributes:
        name: The person's, or the company's.
        device: Signs the holder's own acts.
    """

    name: str
    device: HolderDevice
    _number: str = field(repr=False)
    _secret: str = field(repr=False)
    _uscc: str = ""

    def identify(self, begun: BeginIdentificationResponse | BeginStepUpResponse, /) -> bytes:
        """It does what a person before the device kit does: it proves who holds the phone, for this identification."""
        content = {"identification_id": begun.identification_id, "id_number": self._number, "secret": self._secret}
        if self._uscc:
            content["uscc"] = self._uscc
        return json.dumps(content).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxMatter:
    """What the counters may ask for in one matter (事项); fits the arguments of `client.authorizations.request`.

    Attributes:
        matter_code: Its code.
        items: Field names by licence type.
        documents: Licence types whose document may be asked for.
    """

    matter_code: str
    items: Mapping[str, list[str]]
    documents: tuple[str, ...]


class Sandbox:
    """A running sandbox, as its credentials file describes it.

    Attributes:
        facts: The whole file.
    """

    def __init__(self, facts: Mapping[str, Any]) -> None:
        """It takes what stands in the file."""
        self.facts = facts

    @classmethod
    def load(cls, path: Path | str = "sandbox/sandbox.json") -> Self:
        """It reads the credentials file.

        Raises:
            OSError: The file cannot be read: is the sandbox running?
            SandboxFileError: It is no credentials file.
        """
        try:
            facts = json.loads(Path(path).read_text(encoding="utf-8"))
        except ValueError as fault:
            raise SandboxFileError(f"{path} is no JSON") from fault
        if not isinstance(facts, dict) or not {"target", "server_name", "roots_pem"} <= facts.keys():
            raise SandboxFileError(f"{path} is no credentials file of a sandbox")
        return cls(facts)

    def __repr__(self) -> str:
        # The file holds keys.
        return f"Sandbox({self.facts['target']})"

    @property
    def terms_version(self) -> str:
        """Version of the terms to which holders agree."""
        return str(self.facts["terms_version"])

    @property
    def scenes(self) -> Mapping[str, int]:
        """Numbers of the scenes, by what they are for."""
        found: Mapping[str, int] = self.facts["scenes"]
        return found

    @property
    def encryption_key(self) -> Sm2PrivateKey:
        """The key to which licences for `counter_app` are sealed."""
        return Sm2PrivateKey.from_scalar(bytes.fromhex(self.facts["counter_app"]["encryption_private_key_hex"]))

    def matter(self, key: str = "residence") -> SandboxMatter:
        """It gives what may be asked for in a matter.

        Raises:
            SandboxFileError: There is no such matter.
        """
        found = self.facts.get("matters", {}).get(key)
        if found is None:
            raise SandboxFileError(f"the sandbox has no matter {key!r}")
        return SandboxMatter(
            matter_code=found["matter_code"],
            items={item["license_type"]: list(item.get("field_names", ())) for item in found["items"]},
            documents=tuple(item["license_type"] for item in found["items"] if item.get("document")),
        )

    def client(
        self, caller: str = "counter_app", *, at: str = "home", device_id: str = "", timeout: float = 10.0
    ) -> Client:
        """It makes a client of one of the callers.

        Args:
            caller: `holder_app` presents and decides, `counter_app` scans and fetches; `callers` of the file has more.
            at: At which node: `home`, `peer` of the other region, or `hub`; the other two have fewer callers.
            device_id: The reading device.
            timeout: Seconds for a unary call.

        Raises:
            SandboxFileError: There is no such caller.
        """
        node = self._node(at)
        return Client(
            node["target"],
            self.identity(caller, at=at),
            server_name=node["server_name"],
            device_id=device_id,
            timeout=timeout,
        )

    def async_client(
        self, caller: str = "counter_app", *, at: str = "home", device_id: str = "", timeout: float = 10.0
    ) -> AsyncClient:
        """It makes an `AsyncClient`; arguments and errors as those of `client`."""
        node = self._node(at)
        return AsyncClient(
            node["target"],
            self.identity(caller, at=at),
            server_name=node["server_name"],
            device_id=device_id,
            timeout=timeout,
        )

    def identity(self, caller: str, *, at: str = "home") -> ClientIdentity:
        """It gives certificate, key and roots of a caller.

        Raises:
            SandboxFileError: There is no such caller.
        """
        callers: Mapping[str, Any] = {**self.facts, **self.facts.get("callers", {})} if at == "home" else self._node(at)
        entry = callers.get(caller)
        if not isinstance(entry, dict) or "certificate_pem" not in entry:
            raise SandboxFileError(f"the sandbox has no caller {caller!r}")
        return ClientIdentity.from_pem(
            certificate=entry["certificate_pem"], key=entry["private_key_pem"], roots=self.facts["roots_pem"]
        )

    def phone(self, who: str = "", *, now: Callable[[], datetime] = _utc_now) -> SandboxPhone:
        """It gives a person a phone: the one on which the sandbox opened the account, or one with a fresh device key.

        Args:
            who: Key or name of a subject of the file; the first one where empty.
            now: The phone's clock, for a sandbox whose clock was moved.

        Raises:
            SandboxFileError: There is no such subject.
        """
        for subject in self.facts["subjects"]:
            if not who or who in (subject.get("key"), subject["name"]):
                opened = self.facts.get("holders", {}).get(subject.get("key"), {})
                scalar = opened.get("device_private_key_hex")
                key = Sm2PrivateKey.generate() if scalar is None else Sm2PrivateKey.from_scalar(bytes.fromhex(scalar))
                return SandboxPhone(
                    name=subject["name"],
                    device=HolderDevice(key, now=now),
                    _number=subject["id_number"],
                    _secret=subject["secret"],
                    _uscc=subject.get("uscc", ""),
                )
        raise SandboxFileError(f"the sandbox has no subject {who!r}")

    def _node(self, at: str) -> Mapping[str, Any]:
        found = self.facts if at == "home" else self.facts.get(at)
        if not isinstance(found, dict) or "target" not in found:
            raise SandboxFileError(f"the sandbox has no node {at!r}")
        return found
