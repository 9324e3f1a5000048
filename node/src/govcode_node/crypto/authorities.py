"""A certificate authority in memory, for development and tests: ECDSA P-256 with SHA-256.

It signs what it is asked to sign. Which authority may vouch for which caller is decided where certificates are read
(`govcode_node.crypto.certificates`), and tests need authorities that overreach.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFETIME: Final = timedelta(days=3650)
LEAF_LIFETIME: Final = timedelta(days=365)
LOCAL_HOSTS: Final = ("localhost", "127.0.0.1")

# A certificate made on one machine is often used at once on another whose clock is a little behind.
_BACKDATING: Final = timedelta(minutes=5)
_MAX_COMMON_NAME: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedCertificate:
    """A certificate with its private key; the paths are set when it lies in a directory."""

    certificate_pem: bytes
    key_pem: bytes
    certificate_path: Path | None = None
    key_path: Path | None = None

    def __repr__(self) -> str:
        return f"IssuedCertificate({self.certificate_path or 'in memory'})"


class CertificateAuthority:
    """It signs certificates with ECDSA P-256 and SHA-256, in memory.

    Attributes:
        trust_domain: The domain that its identities carry.
        certificate: Its own, self-signed certificate.
    """

    def __init__(self, trust_domain: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self.trust_domain = trust_domain
        self.certificate = certificate
        self._key = key

    @classmethod
    def create(cls, trust_domain: str, *, now: datetime, lifetime: timedelta = AUTHORITY_LIFETIME) -> Self:
        """It makes a new authority that holds from ``now`` for ``lifetime``."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(common=f"govcode development CA {trust_domain}", organisation="govcode development")
        key_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        certificate = (
            _builder(subject=subject, issuer=subject, key=key, begin=now - _BACKDATING, end=now + lifetime)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .add_extension(key_id, critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(trust_domain, certificate, key)

    @classmethod
    def from_pem(cls, trust_domain: str, *, certificate_pem: bytes, key_pem: bytes) -> Self:
        """It takes up an authority made earlier.

        Raises:
            ValueError: The texts are unreadable or do not belong together.
        """
        certificate, key = load_pair(certificate_pem, key_pem)
        return cls(trust_domain, certificate, key)

    @property
    def certificate_pem(self) -> bytes:
        """Its certificate, PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """Its private key, PKCS #8 PEM without a passphrase."""
        return _key_to_pem(self._key)

    def issue(
        self,
        uris: Sequence[str],
        *,
        now: datetime,
        server: bool,
        lifetime: timedelta = LEAF_LIFETIME,
        hosts: Sequence[str] = LOCAL_HOSTS,
        organisation: str = "govcode development",
    ) -> IssuedCertificate:
        """It signs a leaf for the URI names as given: whether they suit this authority is for the reader to check.

        Args:
            uris: URI subject alternative names; an honest certificate has exactly one.
            now: When the certificate begins, less five minutes; UTC.
            server: Whether it may also stand behind a listening port.
            lifetime: How long it holds; cut to the authority's own end.
            hosts: DNS names and IP addresses.
            organisation: The organisation in its subject.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(uri) for uri in uris]
        uses = [ExtendedKeyUsageOID.CLIENT_AUTH] + [ExtendedKeyUsageOID.SERVER_AUTH] * server
        common = "/".join(uris[0].split("/")[-2:])[:_MAX_COMMON_NAME] if uris else "nobody"
        certificate = (
            _builder(
                subject=_name(common=common, organisation=organisation),
                issuer=self.certificate.subject,
                key=key,
                begin=now - _BACKDATING,
                end=min(now + lifetime, self.certificate.not_valid_after_utc),
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
            .add_extension(x509.SubjectAlternativeName(names + [host_name(host) for host in hosts]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return IssuedCertificate(
            certificate_pem=certificate.public_bytes(serialization.Encoding.PEM), key_pem=_key_to_pem(key)
        )


def _builder(
    *, subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, begin: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
    )


def _name(*, common: str, organisation: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def host_name(host: str) -> x509.GeneralName:
    """It makes the subject alternative name of a host given by address or by name."""
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _key_to_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def load_pair(certificate_pem: bytes, key_pem: bytes) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """It reads a certificate and its private key.

    Raises:
        ValueError: A text is unreadable, or the two do not belong together.
    """
    certificate = x509.load_pem_x509_certificate(certificate_pem)
    key = serialization.load_pem_private_key(key_pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or certificate.public_key() != key.public_key():
        raise ValueError("certificate and key do not belong together")
    return certificate, key
