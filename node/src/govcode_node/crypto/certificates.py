"""Which certificates prove an identity: the issuer check behind the TLS handshake.

The handshake accepts a certificate of any authority in the root pool and shows us the leaf alone. So the leaf is
checked once more here: its issuer's signature must come from the one authority that may vouch for the class it names
(`govcode_node.domain.identities`). Leaves are therefore issued directly by that authority, without an intermediate.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from govcode_node.domain.identities import (
    FEDERATION,
    CertificateFault,
    CheckedCertificate,
    Identity,
    IdentityError,
    UntrustedCertificateError,
    issuing_authority,
    parse_identity,
    trust_domain_of,
)

__all__ = [
    "CertificateChecker",
    "CheckedCertificate",
    "ReloadingChecker",
    "UntrustedCertificateError",
    "check_key_pair",
]

_MAX_PEM_LENGTH: Final = 16 * 1024
_SOUND_HASHES: Final = (hashes.SHA256, hashes.SHA384, hashes.SHA512)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class CertificateChecker:
    """It turns the leaf certificate of a connection into the identity that it proves.

    Verdicts of good certificates are remembered by SHA-256 of the bytes presented, in a bounded least-recently-used
    table; dates are looked at on every call. Refusals are not remembered, so that a flood of bad certificates cannot
    push good ones out. Safe to share between threads. When an authority's certificate is renewed, build a new checker.

    Args:
        federation_ca_pem: Certificates of the federation authority; two while it is being renewed.
        region_ca_pems: Per region code, the certificates of that region's authority.
        now: The clock; aware UTC times.
        capacity: How many verdicts are kept.

    Raises:
        ValueError: An authority's PEM holds no certificate, or one that may not sign certificates.
    """

    def __init__(
        self,
        federation_ca_pem: bytes,
        region_ca_pems: Mapping[str, bytes],
        *,
        now: Callable[[], datetime] = _utc_now,
        capacity: int = 4096,
    ) -> None:
        if capacity < 1:
            raise ValueError("the capacity of the certificate cache is at least 1")
        self._authorities = {FEDERATION: _load_authority(FEDERATION, federation_ca_pem)}
        for region, pem in region_ca_pems.items():
            trust_domain_of(region)
            self._authorities[region] = _load_authority(region, pem)
        self._now = now
        self._capacity = capacity
        self._verdicts: OrderedDict[bytes, CheckedCertificate] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, leaf_pem: bytes) -> CheckedCertificate:
        """It returns the checked certificate, from memory where the same bytes were good before.

        Args:
            leaf_pem: The leaf as the transport hands it over, PEM.

        Raises:
            UntrustedCertificateError: The certificate proves nothing; ``reason`` says why.
        """
        key = hashlib.sha256(leaf_pem).digest()
        with self._lock:
            checked = self._verdicts.get(key)
            if checked is not None:
                self._verdicts.move_to_end(key)
        if checked is not None:
            try:
                _check_dates(checked.not_before_at, checked.not_after_at, self._now())
            except UntrustedCertificateError:
                with self._lock:
                    self._verdicts.pop(key, None)
                raise
            return checked
        checked = self._examine(leaf_pem)
        with self._lock:
            self._verdicts[key] = checked
            if len(self._verdicts) > self._capacity:
                self._verdicts.popitem(last=False)
        return checked

    @property
    def remembered(self) -> int:
        """How many verdicts are held now; never more than the capacity."""
        return len(self._verdicts)

    def _examine(self, leaf_pem: bytes) -> CheckedCertificate:
        leaf = _load_leaf(leaf_pem)
        identity = _read_identity(leaf)
        authority = issuing_authority(identity)
        candidates = self._authorities.get(authority)
        if candidates is None:
            raise UntrustedCertificateError(
                CertificateFault.UNKNOWN_AUTHORITY, f"no authority is known here for region {authority}"
            )
        _check_strength(leaf)
        issuer = _find_issuer(leaf, candidates, authority=authority, identity=identity)
        _check_purpose(leaf)
        not_before_at = max(leaf.not_valid_before_utc, issuer.not_valid_before_utc)
        not_after_at = min(leaf.not_valid_after_utc, issuer.not_valid_after_utc)
        _check_dates(not_before_at, not_after_at, self._now())
        return CheckedCertificate(
            identity=identity,
            authority=authority,
            serial_number=f"{leaf.serial_number:x}",
            sm3_thumbprint=leaf.fingerprint(hashes.SM3()).hex(),
            sha256_thumbprint=leaf.fingerprint(hashes.SHA256()).hex(),
            not_before_at=not_before_at,
            not_after_at=not_after_at,
        )


class ReloadingChecker:
    """The checker in force: `replace` follows renewed authorities, from the next check on and without a pause."""

    def __init__(self, checker: CertificateChecker) -> None:
        """It begins with that one."""
        self._checker = checker

    def check(self, leaf_pem: bytes) -> CheckedCertificate:
        """It checks a leaf with the checker in force; see `CertificateChecker.check`.

        Raises:
            UntrustedCertificateError: The certificate proves nothing.
        """
        return self._checker.check(leaf_pem)

    def replace(self, checker: CertificateChecker) -> None:
        """It puts another checker in force. The verdicts of the old one are forgotten with it."""
        self._checker = checker


def check_key_pair(certificate_pem: bytes, key_pem: bytes) -> None:
    """It raises unless the private key is that of the first certificate.

    Raises:
        ValueError: It is another one, or one of the two cannot be read.
    """
    try:
        key = serialization.load_pem_private_key(key_pem, password=None)
    except (TypeError, UnsupportedAlgorithm) as error:
        raise ValueError("the private key cannot be read") from error
    if x509.load_pem_x509_certificate(certificate_pem).public_key() != key.public_key():
        raise ValueError("certificate and private key do not belong together")


def _load_authority(name: str, pem: bytes) -> tuple[x509.Certificate, ...]:
    certificates = tuple(x509.load_pem_x509_certificates(pem))
    for certificate in certificates:
        try:
            may_sign = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        except x509.ExtensionNotFound:
            may_sign = False
        if not may_sign:
            raise ValueError(f"the certificate of authority {name} may not sign certificates")
    return certificates


def _load_leaf(leaf_pem: bytes) -> x509.Certificate:
    if len(leaf_pem) > _MAX_PEM_LENGTH:
        raise UntrustedCertificateError(CertificateFault.UNREADABLE, f"longer than {_MAX_PEM_LENGTH} bytes")
    try:
        return x509.load_pem_x509_certificate(leaf_pem)
    except ValueError as error:
        raise UntrustedCertificateError(CertificateFault.UNREADABLE, "not an X.509 certificate") from error


def _read_identity(leaf: x509.Certificate) -> Identity:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        raise UntrustedCertificateError(CertificateFault.NO_IDENTITY, "no subject alternative name") from None
    except ValueError as error:
        raise UntrustedCertificateError(CertificateFault.UNREADABLE, "extensions cannot be read") from error
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    # Two URI names would let one certificate be read as two callers, depending on who reads.
    if len(uris) != 1:
        raise UntrustedCertificateError(CertificateFault.NO_IDENTITY, f"{len(uris)} URI names where one is demanded")
    try:
        return parse_identity(uris[0])
    except IdentityError as error:
        raise UntrustedCertificateError(CertificateFault.BAD_IDENTITY, str(error)) from error


def _check_strength(leaf: x509.Certificate) -> None:
    try:
        algorithm = leaf.signature_hash_algorithm
    except UnsupportedAlgorithm:
        algorithm = None
    if not isinstance(algorithm, _SOUND_HASHES):
        raise UntrustedCertificateError(
            CertificateFault.WEAK_SIGNATURE, "the signature uses a hash that is not accepted"
        )


def _find_issuer(
    leaf: x509.Certificate, candidates: Sequence[x509.Certificate], *, authority: str, identity: Identity
) -> x509.Certificate:
    """It finds which of the authority's certificates signed the leaf, the one that lasts longest first."""
    for candidate in sorted(candidates, key=lambda one: one.not_valid_after_utc, reverse=True):
        try:
            leaf.verify_directly_issued_by(candidate)
        except (InvalidSignature, ValueError, TypeError):
            continue
        return candidate
    raise UntrustedCertificateError(
        CertificateFault.WRONG_ISSUER, f"{identity} is not signed by the authority of {authority}"
    )


def _check_purpose(leaf: x509.Certificate) -> None:
    extensions = leaf.extensions
    try:
        if extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            raise UntrustedCertificateError(CertificateFault.NOT_FOR_THIS_USE, "an authority's own certificate")
    except x509.ExtensionNotFound:
        pass  # Absent means "no authority" (RFC 5280, 4.2.1.9).
    try:
        uses = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        raise UntrustedCertificateError(CertificateFault.NOT_FOR_THIS_USE, "no extended key usage") from None
    if ExtendedKeyUsageOID.CLIENT_AUTH not in uses:
        raise UntrustedCertificateError(CertificateFault.NOT_FOR_THIS_USE, "not issued for clients")


def _check_dates(not_before_at: datetime, not_after_at: datetime, now: datetime) -> None:
    if now < not_before_at:
        raise UntrustedCertificateError(CertificateFault.NOT_YET_VALID, f"holds from {not_before_at.isoformat()}")
    if now > not_after_at:
        raise UntrustedCertificateError(CertificateFault.EXPIRED, f"ended {not_after_at.isoformat()}")
