"""How a licence-sharing service is called: address, patience, paths, codes, the application's signature (应用签名)."""

import hmac
import ipaddress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from govcode_node.domain.digests import sm3


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """Paths and codes of a service; sites differ in them.

    Attributes:
        token_path: Where a token is got.
        query_path: Where licences of a holder are found.
        record_path: Where one is read.
        file_path: Where its file is read.
        good: Codes of a good answer.
        token_expired: Codes for a token that holds no longer.
        not_found: Codes for a licence that is not there.
        quota: Codes for a quota that is used up.
        later: Codes for "try again later".
    """

    token_path: str = "/token"  # noqa: S105 - a path, no secret
    query_path: str = "/licences/query"
    record_path: str = "/licences/record"
    file_path: str = "/licences/file"
    good: frozenset[str] = frozenset({"0", "200"})
    token_expired: frozenset[str] = frozenset({"10401"})
    not_found: frozenset[str] = frozenset({"10404"})
    quota: frozenset[str] = frozenset({"10429"})
    later: frozenset[str] = frozenset({"10503"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedServiceSettings:
    """Which service, as whom, and with what patience; times in seconds.

    Attributes:
        base_url: Address of the service; https, or http on this machine, behind a gateway that speaks the SM channel.
        app_id: Under which name the node is registered there.
        secret: The secret for signing, as the service gave it.
        connect_timeout: For a connection.
        answer_timeout: For an answer; services of this kind take up to eight seconds on a bad day.
        file_timeout: For a whole file.
        file_idle_timeout: Between two pieces of a file.
        breaker_failures: Failures in a row after which the service is left alone.
        breaker_open: For how long, at first.
        dialect: Paths and codes.
    """

    base_url: str
    app_id: str
    secret: bytes = field(repr=False)
    connect_timeout: float = 3.0
    answer_timeout: float = 9.0
    file_timeout: float = 120.0
    file_idle_timeout: float = 9.0
    breaker_failures: int = 5
    breaker_open: float = 5.0
    dialect: Dialect = field(default_factory=Dialect)

    def __post_init__(self) -> None:
        """It checks address and secret.

        Raises:
            ValueError: The address is neither https nor on this machine, or the secret is too short.
        """
        address = urlsplit(self.base_url)
        if address.scheme != "https" and not (address.scheme == "http" and _is_loopback(address.hostname or "")):
            raise ValueError("a licence service is called by https, or by http on this machine alone")
        if len(self.secret) < 16:
            raise ValueError("the secret of a licence service has at least 16 bytes")


def request_to_sign(app_id: str, path: str, time: str, nonce: str, content: bytes) -> bytes:
    """It gives the bytes that an application signs of a request: five lines, the last the SM3 of the body."""
    return "\n".join((app_id, path, time, nonce, sm3(content).hex())).encode()


def sign_request(secret: bytes, signed: bytes) -> bytes:
    """It gives the HMAC-SM3 of what is signed."""
    return hmac.digest(secret, signed, "sm3")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
