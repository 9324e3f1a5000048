"""Keys and certificates of synthetic seals: an authority, a maker and signers that exist in no country.

For the embedded provider, the sandbox and tests. Every name says that it is a sample (样例); the certificates are real
ones in form, so that what is made with them passes and fails the same checks as a seal of an issuer.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from asn1crypto import algos, core, keys, x509

from govcode_node.providers.licence.seals import SealTrust
from govcode_node.providers.licence.ses_asn1 import SM2_CURVE, SM2_WITH_SM3, der_signature

COUNTRY: Final = "CN"
_SERIALS: Final = itertools.count(1)


class SpecimenKey(Protocol):
    """An SM2 key that signs samples."""

    @property
    def point(self) -> bytes:
        """The public point, 65 bytes."""
        ...

    def sign(self, data: bytes, /) -> bytes:
        """It gives the raw signature, 64 bytes."""
        ...


KeyMaker = Callable[[], SpecimenKey]
"""Makes a fresh key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecimenCertificate:
    """A synthetic certificate with its key.

    Attributes:
        der: The certificate.
        key: Its key.
        name: Whom it names.
    """

    der: bytes = field(repr=False)
    key: SpecimenKey = field(repr=False)
    name: str


def issue_certificate(
    name: str,
    *,
    organisation: str,
    key: SpecimenKey,
    issuer: SpecimenCertificate | None,
    not_before_at: datetime,
    not_after_at: datetime,
    usage: frozenset[str] = frozenset({"digital_signature", "non_repudiation"}),
) -> SpecimenCertificate:
    """It issues a certificate of an SM2 key; by itself where there is no issuer."""
    algorithm = algos.SignedDigestAlgorithm({"algorithm": SM2_WITH_SM3})
    subject = _name(name, organisation)
    authority = issuer is None
    extensions: list[dict[str, Any]] = [
        {"extn_id": "basic_constraints", "critical": True, "extn_value": x509.BasicConstraints({"ca": authority})},
        {
            "extn_id": "key_usage",
            "critical": True,
            "extn_value": x509.KeyUsage({"key_cert_sign"} if authority else set(usage)),
        },
    ]
    tbs = x509.TbsCertificate(
        {
            "version": "v3",
            "serial_number": next(_SERIALS),
            "signature": algorithm,
            "issuer": subject if issuer is None else x509.Certificate.load(issuer.der).subject,
            "validity": {"not_before": _time(not_before_at), "not_after": _time(not_after_at)},
            "subject": subject,
            "subject_public_key_info": _public_key(key.point),
            "extensions": extensions,
        }
    )
    signer = key if issuer is None else issuer.key
    certificate = x509.Certificate(
        {
            "tbs_certificate": tbs,
            "signature_algorithm": algorithm,
            "signature_value": core.OctetBitString(der_signature(signer.sign(tbs.dump()))),
        }
    )
    return SpecimenCertificate(der=bytes(certificate.dump()), key=key, name=name)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecimenHouse:
    """Everybody who is needed for a seal: an authority, a maker of seals, and an issuer of licences who signs.

    Attributes:
        authority: Issues the others' certificates.
        maker: Makes seals (制章者).
        signer: Uses them (签章者).
    """

    authority: SpecimenCertificate
    maker: SpecimenCertificate
    signer: SpecimenCertificate

    def trust(self, *, honours_sealing_time: bool = False) -> SealTrust:
        """It gives what a node must trust to believe the seals of this house."""
        return SealTrust.of(
            makers=[self.maker.der], authorities=[self.authority.der], honours_sealing_time=honours_sealing_time
        )


def found_house(
    issuer_name: str, *, make_key: KeyMaker, now: datetime, lifetime: timedelta = timedelta(days=365)
) -> SpecimenHouse:
    """It founds a house whose certificates hold from yesterday on.

    Args:
        issuer_name: The issuer of licences. Example: `样例市公安局`.
        make_key: Makes SM2 keys.
        now: The time.
        lifetime: How long the certificates of maker and signer hold.
    """
    start = now.replace(microsecond=0) - timedelta(days=1)
    authority = issue_certificate(
        "样例电子认证机构",
        organisation="政务服务码样例",
        key=make_key(),
        issuer=None,
        not_before_at=start,
        not_after_at=start + 2 * lifetime,
    )
    maker, signer = (
        issue_certificate(
            name,
            organisation=organisation,
            key=make_key(),
            issuer=authority,
            not_before_at=start,
            not_after_at=start + lifetime,
        )
        for name, organisation in (("样例印章制作中心", "政务服务码样例"), (f"{issuer_name}电子证照签章", issuer_name))
    )
    return SpecimenHouse(authority=authority, maker=maker, signer=signer)


def _name(common_name: str, organisation: str) -> x509.Name:
    return x509.Name.build({"country_name": COUNTRY, "organization_name": organisation, "common_name": common_name})


def _time(moment: datetime) -> x509.Time:
    """Certificates write a time in two ways, by its year (RFC 5280, 4.1.2.5)."""
    return x509.Time({"utc_time" if moment.year < 2050 else "general_time": moment})


def _public_key(point: bytes) -> keys.PublicKeyInfo:
    curve = keys.ECDomainParameters(name="named", value=keys.NamedCurve(SM2_CURVE))
    return keys.PublicKeyInfo(
        {"algorithm": {"algorithm": "ec", "parameters": curve}, "public_key": keys.ECPointBitString(point)}
    )
