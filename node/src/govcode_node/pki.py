"""A development PKI (开发用证书体系): certificates for a federation on one machine, never for production.

One authority of the federation signs nodes and the hub; one authority per region signs that region's apps, licence
services, scanners and operators. `DevelopmentPki` keeps authorities and leaves in a directory and makes only what is
missing, wrong or about to expire:

    <directory>/roots.pem                                   every authority's certificate
    <directory>/federation/ca.{pem,key}                     and <class>-<name>.{pem,key}
    <directory>/regions/<region>/ca.{pem,key}               and <class>-<name>.{pem,key}
"""

import fcntl
import os
import secrets
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import cattrs
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec

from govcode_node.crypto.authorities import LOCAL_HOSTS, CertificateAuthority, IssuedCertificate, host_name, load_pair
from govcode_node.domain.identities import (
    FEDERATION,
    FEDERATION_TRUST_DOMAIN,
    CallerClass,
    Identity,
    issuing_authority,
    trust_domain_of,
)

RENEW_BEFORE: Final = timedelta(days=30)
_SERVING_CLASSES: Final = frozenset({CallerClass.NODE, CallerClass.HUB, CallerClass.LICENCE})


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedIdentity:
    """One certificate that a development federation wants: its identity, organisation and further host names."""

    identity: Identity
    organisation: str
    hosts: tuple[str, ...] = LOCAL_HOSTS


class DevelopmentPki:
    """It keeps a development PKI in a directory; what exists and still serves is kept.

    Two processes may use one directory: changes happen under a lock, and files are replaced whole.

    Args:
        directory: Where the PKI lives; made when absent.
        now: The clock; aware UTC times.
        force: Make certificates anew: an authority when this object first opens it, a leaf whenever it is asked for.
    """

    def __init__(self, directory: Path, *, now: Callable[[], datetime] = _utc_now, force: bool = False) -> None:
        self.directory = directory
        self._now = now
        self._force = force
        self._authorities: dict[str, CertificateAuthority] = {}

    @property
    def roots_path(self) -> Path:
        """The pool of every authority's certificate."""
        return self.directory / "roots.pem"

    def folder(self, authority: str) -> Path:
        """Where an authority (``FEDERATION`` or a region code) and its leaves lie."""
        return self.directory / FEDERATION if authority == FEDERATION else self.directory / "regions" / authority

    def authority(self, name: str) -> CertificateAuthority:
        """It opens or makes an authority: ``FEDERATION`` or a region code, and keeps ``roots.pem`` complete.

        Raises:
            MalformedIdentityError: The name is neither.
        """
        trust_domain = trust_domain_of(name)
        if name not in self._authorities:
            with self._locked():
                self._authorities[name] = self._open_or_make_authority(name, trust_domain)
                self._write_roots()
        return self._authorities[name]

    def issue(
        self,
        caller_class: CallerClass,
        name: str,
        *,
        region: str | None = None,
        hosts: Sequence[str] = LOCAL_HOSTS,
        organisation: str = "govcode development",
    ) -> IssuedCertificate:
        """It returns the certificate of an identity, made anew where none serves any longer.

        Args:
            caller_class: Nodes and the hub are signed by the federation, all others by their region.
            name: The name within the class; for nodes and the hub the node id.
            region: The region code; demanded for all but nodes and the hub.
            hosts: DNS names and IP addresses that the certificate covers.
            organisation: The organisation in its subject.

        Raises:
            MalformedIdentityError: Name or region is not allowed.
            MisplacedIdentityError: A regional class without a region, or a federated one with a region.
        """
        trust_domain = FEDERATION_TRUST_DOMAIN if region is None else trust_domain_of(region)
        identity = Identity(trust_domain, caller_class, name)
        if caller_class.federated:
            hosts = (*hosts, identity.server_name)
        authority_name = issuing_authority(identity)
        authority = self.authority(authority_name)
        stem = self.folder(authority_name) / f"{caller_class}-{name}"
        certificate_path, key_path = stem.with_name(f"{stem.name}.pem"), stem.with_name(f"{stem.name}.key")
        with self._locked():
            kept = None if self._force else _read_pair(certificate_path, key_path)
            if kept is None or not self._still_serves(kept[0], authority, identity=identity, hosts=hosts):
                issued = authority.issue(
                    [str(identity)],
                    now=self._now(),
                    server=caller_class in _SERVING_CLASSES,
                    hosts=hosts,
                    organisation=organisation,
                )
                # The key first: a certificate without its key would look finished after a crash.
                _write(key_path, issued.key_pem, mode=0o600)
                _write(certificate_path, issued.certificate_pem, mode=0o644)
        return IssuedCertificate(
            certificate_pem=certificate_path.read_bytes(),
            key_pem=key_path.read_bytes(),
            certificate_path=certificate_path,
            key_path=key_path,
        )

    def issue_all(self, plan: Sequence[PlannedIdentity]) -> tuple[IssuedCertificate, ...]:
        """It issues every identity of a plan, as `load_plan` reads it, and returns the certificates in order."""
        return tuple(
            self.issue(
                planned.identity.caller_class,
                planned.identity.name,
                region=None if planned.identity.caller_class.federated else str(planned.identity.region_code),
                hosts=planned.hosts,
                organisation=planned.organisation,
            )
            for planned in plan
        )

    def _open_or_make_authority(self, name: str, trust_domain: str) -> CertificateAuthority:
        certificate_path, key_path = self.folder(name) / "ca.pem", self.folder(name) / "ca.key"
        kept = None if self._force else _read_pair(certificate_path, key_path)
        if kept is not None and kept[0].not_valid_after_utc > self._now() + RENEW_BEFORE:
            return CertificateAuthority(trust_domain, *kept)
        made = CertificateAuthority.create(trust_domain, now=self._now())
        _write(key_path, made.key_pem, mode=0o600)
        _write(certificate_path, made.certificate_pem, mode=0o644)
        return made

    def _still_serves(
        self, leaf: x509.Certificate, authority: CertificateAuthority, *, identity: Identity, hosts: Sequence[str]
    ) -> bool:
        if leaf.not_valid_after_utc <= self._now() + RENEW_BEFORE:
            return False
        wanted = x509.SubjectAlternativeName(
            [x509.UniformResourceIdentifier(str(identity)), *(host_name(host) for host in hosts)]
        )
        try:
            leaf.verify_directly_issued_by(authority.certificate)
            return leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value == wanted
        except (InvalidSignature, ValueError, TypeError, x509.ExtensionNotFound):
            return False

    def _write_roots(self) -> None:
        paths = [self.folder(FEDERATION) / "ca.pem", *sorted((self.directory / "regions").glob("*/ca.pem"))]
        pool = b"".join(path.read_bytes() for path in paths if path.exists())
        if not self.roots_path.exists() or self.roots_path.read_bytes() != pool:
            _write(self.roots_path, pool, mode=0o644)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


@dataclass(frozen=True, slots=True, kw_only=True)
class _Member:
    caller_class: CallerClass
    name: str
    organisation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Region:
    code: str
    zh: str
    en: str
    groups: tuple[str, ...]
    nodes: tuple[str, ...] = ()
    hub: str | None = None
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    groups: dict[str, list[_Member]]
    regions: list[_Region]


def load_plan(path: Path) -> tuple[PlannedIdentity, ...]:
    """It reads a table of development identities such as ``certs/identities.toml``.

    Raises:
        ValueError: The file is no such table; the message names the fault.
        IdentityError: It names an identity that cannot be.
    """
    converter = cattrs.Converter(forbid_extra_keys=True)
    converter.register_structure_hook(
        _Member,
        cattrs.gen.make_dict_structure_fn(
            _Member, converter, caller_class=cattrs.override(rename="class"), _cattrs_forbid_extra_keys=True
        ),
    )
    try:
        plan = converter.structure(tomllib.loads(path.read_text(encoding="utf-8")), _Plan)
    except cattrs.BaseValidationError as error:
        raise ValueError(f"{path.name}: " + "; ".join(cattrs.transform_error(error))) from error
    planned: list[PlannedIdentity] = []
    for region in plan.regions:
        hosts = (*LOCAL_HOSTS, *region.hosts)
        federated = [(CallerClass.HUB, region.hub)] if region.hub else []
        federated += [(CallerClass.NODE, node) for node in region.nodes]
        for caller_class, name in federated:
            identity = Identity(FEDERATION_TRUST_DOMAIN, caller_class, name)
            planned.append(PlannedIdentity(identity=identity, organisation=f"{region.en} code centre", hosts=hosts))
        for group in region.groups:
            if group not in plan.groups:
                raise ValueError(f"{path.name}: region {region.code} names the unknown group {group!r}")
            for member in plan.groups[group]:
                identity = Identity(trust_domain_of(region.code), member.caller_class, member.name)
                organisation = member.organisation.format(zh=region.zh, en=region.en)
                planned.append(PlannedIdentity(identity=identity, organisation=organisation))
    return tuple(planned)


def _read_pair(certificate_path: Path, key_path: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None:
    """It reads a certificate with its key; None where either is absent, unreadable or of another pair."""
    try:
        return load_pair(certificate_path.read_bytes(), key_path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def _write(path: Path, content: bytes, *, mode: int) -> None:
    """It replaces a file whole; the mode holds from the file's first moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
