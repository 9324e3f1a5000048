"""A caller's profile: at which node to call, as whom, and whom to believe. One TOML file, or options in its place."""

import json
import os
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Self

from govcode_node.domain.errors import GovcodeError

if TYPE_CHECKING:
    from govcode_client import Client


class ProfileError(GovcodeError):
    """A profile cannot be used; the message says why and what helps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerProfile:
    """At which node to call, and as whom.

    Attributes:
        node: `host:port` of the node.
        certificate: The caller's certificate, PEM.
        key: Its private key, PEM.
        roots: Authorities that may have signed the node's certificate, PEM.
        server_name: Name that must stand in the node's certificate; the host of the address where empty.
        device_id: The reading device, for scans.
        scene_no: Scene of scans where nothing else is said.
        holders_file: The synthetic subjects of the local identity provider, for presenting as one of them.
        sessions_dir: Where sessions of those subjects are kept between calls.
    """

    node: str
    certificate: Path
    key: Path
    roots: Path
    server_name: str = ""
    device_id: str = ""
    scene_no: int = 0
    holders_file: Path | None = None
    sessions_dir: Path | None = None

    @classmethod
    def load(cls, path: Path) -> Self:
        """It reads a profile; relative paths start from its folder.

        Raises:
            ProfileError: The file is absent, no TOML, or has other keys than a profile.
        """
        try:
            document = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ProfileError(
                f"cannot read profile {path}: {error.strerror}; `make run` prints where its profiles are"
            ) from error
        except ValueError as error:
            raise ProfileError(f"profile {path} is no TOML: {error}") from error
        known = {field.name: field.type for field in fields(cls)}
        unknown = sorted(document.keys() - known.keys())
        if unknown:
            raise ProfileError(f"profile {path}: unknown keys {', '.join(unknown)}; known are {', '.join(known)}")
        missing = [name for name in ("node", "certificate", "key", "roots") if name not in document]
        if missing:
            raise ProfileError(f"profile {path}: {', '.join(missing)} missing")
        for name, value in document.items():
            wanted = int if known[name] is int else str
            if type(value) is not wanted:
                raise ProfileError(f"profile {path}: {name} must be {'a number' if wanted is int else 'a text'}")
        folder = path.resolve().parent
        paths = {name for name, kind in known.items() if kind in (Path, Path | None)}
        return cls(**{name: folder / value if name in paths else value for name, value in document.items()})

    def write(self, path: Path) -> None:
        """It writes the profile, paths in full."""
        lines = [
            f"{field.name} = {_toml(value)}\n"
            for field in fields(self)
            if (value := getattr(self, field.name)) not in (None, "", 0)
        ]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(lines), encoding="utf-8")

    def connect(self, *, timeout: float = 10.0) -> "Client":
        """It opens a client; nothing is sent yet.

        Raises:
            ProfileError: The address has no port, a file cannot be read, or certificate and key do not belong together.
        """
        # Before grpcio is loaded, which looks at the environment then.
        quiet_grpc()
        from govcode_client import Client, ClientIdentity

        from govcode_node.crypto.certificates import check_key_pair

        if not self.node.rpartition(":")[2].isdecimal():
            raise ProfileError(f"{self.node} is no address of a node: host:port is needed, such as 127.0.0.1:7443")
        try:
            identity = ClientIdentity.from_files(certificate=self.certificate, key=self.key, roots=self.roots)
            # grpcio would say no more than that it cannot shake hands.
            check_key_pair(identity.certificate, identity.key)
        except OSError as error:
            raise ProfileError(f"cannot read {error.filename}: {error.strerror}") from error
        except ValueError as error:
            raise ProfileError(f"{self.certificate} and {self.key} are not a certificate and its key in PEM") from error
        return Client(self.node, identity, server_name=self.server_name, device_id=self.device_id, timeout=timeout)


def quiet_grpc() -> None:
    """It keeps grpcio's own log off the terminal unless somebody asked for it; errors come as exceptions anyway."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")


def _toml(value: object) -> str:
    # A JSON text is a TOML basic string: the same quotes and escapes.
    return str(value) if isinstance(value, int) else json.dumps(str(value), ensure_ascii=False)
