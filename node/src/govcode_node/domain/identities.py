"""Who calls: the identity inside a certificate, and which authority may vouch for it.

>>> identity = parse_identity("spiffe://r110000.govcode/app/counter-app")
>>> identity.caller_class, identity.name, issuing_authority(identity)
(<CallerClass.APP: 'app'>, 'counter-app', '110000')

The text form is a SPIFFE id carried as the only URI name of a certificate. The trust domain names the authority:
one federation authority for nodes (节点) and the hub (国家枢纽), one per region for everybody who works inside it.
A port's root pool holds all of them, so a good handshake alone proves only that *some* known authority signed; the
pairing of class and authority that is fixed here is what stops a region from minting another region's node.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from govcode_node.domain.errors import GovcodeError
from govcode_node.domain.regions import HUB_REGION, InvalidRegionCodeError, RegionCode

FEDERATION: Final = "federation"
"""The authority that vouches for nodes and the hub; every other authority is called by its six-digit region code."""

FEDERATION_TRUST_DOMAIN: Final = "federation.govcode"

_SCHEME: Final = "spiffe://"
_MAX_IDENTITY_LENGTH: Final = 255
_REGION_TRUST_DOMAIN: Final = re.compile(r"r([0-9]{6})\.govcode", re.ASCII)
_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?", re.ASCII)
_NODE_NAME: Final = re.compile(r"[0-9]{6}(?:-[a-z0-9]{1,16})?", re.ASCII)


class CallerClass(StrEnum):
    """The kinds of caller; the value is the class segment of the identity text."""

    NODE = "node"
    HUB = "hub"
    APP = "app"
    LICENCE = "licence"
    SCANNER = "scanner"
    OPERATOR = "operator"

    @property
    def federated(self) -> bool:
        """It is true of the classes that the federation authority alone may vouch for."""
        return self in {CallerClass.NODE, CallerClass.HUB}


class IdentityError(GovcodeError):
    """A text or a set of parts is no identity of this federation."""


class MalformedIdentityError(IdentityError):
    """The text does not have the shape ``spiffe://<trust domain>/<class>/<name>``."""

    def __init__(self, text: str, fault: str) -> None:
        super().__init__(f"malformed identity {text[:_MAX_IDENTITY_LENGTH]!r}: {fault}")
        self.text = text
        self.fault = fault


class UnknownCallerClassError(IdentityError):
    """The class segment names no kind of caller."""

    def __init__(self, caller_class: str) -> None:
        super().__init__(f"unknown caller class {caller_class[:64]!r}")
        self.caller_class = caller_class


class MisplacedIdentityError(IdentityError):
    """The trust domain may not hold an identity of that class, whoever signed it."""

    def __init__(self, trust_domain: str, caller_class: CallerClass) -> None:
        super().__init__(f"an identity of class {caller_class} does not belong to trust domain {trust_domain!r}")
        self.trust_domain = trust_domain
        self.caller_class = caller_class


@dataclass(frozen=True, slots=True)
class Identity:
    """One caller as its certificate names it; consistent from birth.

    Attributes:
        trust_domain: ``federation.govcode`` or ``r<region>.govcode``.
        caller_class: The kind of caller, always one that the trust domain may hold.
        name: For nodes and the hub the node id (its region code, a second node of a region with a suffix); otherwise
            the name that the region's registry gave, lower-case letters, digits, dots, dashes and underscores.

    Raises:
        MalformedIdentityError: A part has a shape of its own that is not allowed.
        MisplacedIdentityError: The class does not belong to the trust domain.
    """

    trust_domain: str
    caller_class: CallerClass
    name: str

    def __post_init__(self) -> None:
        in_region = _REGION_TRUST_DOMAIN.fullmatch(self.trust_domain) is not None
        if self.trust_domain != FEDERATION_TRUST_DOMAIN and not in_region:
            raise MalformedIdentityError(str(self), "unknown trust domain")
        if self.caller_class.federated == in_region:
            raise MisplacedIdentityError(self.trust_domain, self.caller_class)
        if _NAME.fullmatch(self.name) is None:
            raise MalformedIdentityError(str(self), "name outside the allowed characters or length")
        if self.caller_class.federated and _NODE_NAME.fullmatch(self.name) is None:
            raise MalformedIdentityError(str(self), "a node is named by its region code and an optional suffix")
        try:
            region = self.region_code
        except InvalidRegionCodeError as error:
            raise MalformedIdentityError(str(self), str(error)) from error
        if self.caller_class.federated and (self.caller_class is CallerClass.HUB) != (region == HUB_REGION):
            raise MalformedIdentityError(str(self), "region 000000 is the hub's and the hub's alone")

    @property
    def region_code(self) -> RegionCode:
        """The region that the caller belongs to."""
        return RegionCode(self.name[:6] if self.caller_class.federated else self.trust_domain[1:7])

    @property
    def server_name(self) -> str:
        """The DNS name by which TLS itself checks that the node that answers is the node that was meant (6.2-03).

        It stands in the certificates of nodes and the hub beside their addresses, which say nothing of who lives there.
        Example: ``420100.node.federation.govcode``.
        """
        return f"{self.name}.{self.caller_class}.{self.trust_domain}"

    def __str__(self) -> str:
        return f"{_SCHEME}{self.trust_domain}/{self.caller_class}/{self.name}"


def parse_identity(text: str) -> Identity:
    """It reads the URI name of a certificate, strictly: nothing is decoded, folded or trimmed.

    Raises:
        MalformedIdentityError: The text has another shape, an empty part, or more parts than an identity has.
        UnknownCallerClassError: The class is not one of ours.
        MisplacedIdentityError: The class does not belong to the trust domain.
    """
    if len(text) > _MAX_IDENTITY_LENGTH:
        raise MalformedIdentityError(text, f"longer than {_MAX_IDENTITY_LENGTH} characters")
    if not text.startswith(_SCHEME):
        raise MalformedIdentityError(text, "the scheme is not spiffe")
    parts = text.removeprefix(_SCHEME).split("/")
    if len(parts) != 3 or not all(parts):
        raise MalformedIdentityError(text, "trust domain, class and name are demanded, and nothing else")
    trust_domain, class_text, name = parts
    try:
        caller_class = CallerClass(class_text)
    except ValueError:
        raise UnknownCallerClassError(class_text) from None
    return Identity(trust_domain, caller_class, name)


def issuing_authority(identity: Identity) -> str:
    """It names the one authority that may vouch for the identity: ``FEDERATION`` or a six-digit region code."""
    return FEDERATION if identity.caller_class.federated else str(identity.region_code)


def trust_domain_of(authority: str) -> str:
    """It is the trust domain that an authority signs for.

    Raises:
        MalformedIdentityError: ``authority`` is neither ``FEDERATION`` nor a region code.
    """
    if authority == FEDERATION:
        return FEDERATION_TRUST_DOMAIN
    try:
        return f"r{RegionCode(authority)}.govcode"
    except InvalidRegionCodeError as error:
        raise MalformedIdentityError(authority, str(error)) from error


class CertificateFault(StrEnum):
    """Why a certificate proves no identity."""

    UNREADABLE = "unreadable"
    NO_IDENTITY = "no_identity"
    BAD_IDENTITY = "bad_identity"
    UNKNOWN_AUTHORITY = "unknown_authority"
    WRONG_ISSUER = "wrong_issuer"
    WEAK_SIGNATURE = "weak_signature"
    NOT_FOR_THIS_USE = "not_for_this_use"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"


class UntrustedCertificateError(GovcodeError):
    """The certificate presented proves no identity; the caller stays unknown."""

    def __init__(self, reason: CertificateFault, detail: str) -> None:
        super().__init__(f"untrusted certificate ({reason}): {detail}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedCertificate:
    """A certificate whose issuer, dates and purpose have been checked, and the identity that it proves.

    Attributes:
        identity: Who the certificate speaks for.
        authority: The authority that signed it: ``FEDERATION`` or a region code.
        serial_number: The serial within its issuer, lower-case hex without leading zeros.
        sm3_thumbprint: SM3 of the DER form, lower-case hex.
        sha256_thumbprint: SHA-256 of the DER form, lower-case hex.
        not_before_at: From when it holds, UTC.
        not_after_at: Until when it holds (its issuer's own end included), UTC.
    """

    identity: Identity
    authority: str
    serial_number: str
    sm3_thumbprint: str
    sha256_thumbprint: str
    not_before_at: datetime
    not_after_at: datetime
