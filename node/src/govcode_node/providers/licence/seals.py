"""Electronic seals on licences (电子签章, GB/T 38540): who made the seal, who used it, when, and on what.

Three signatures hold a seal together: an authority's over the certificate of the signer (签章者), the maker's (制章者)
over the seal, which lists the certificates that may use it, and the signer's over the seal with the digest of what was
sealed. Makers are few and decide who may speak for an issuer, so each is named in the configuration; no authority can
make a maker.

A seal says itself when it was used, and only its own key vouches for that. So by default everything must hold today as
well: with a key that was stolen after its time nothing can be dated back. A site whose licences outlive their seals may
choose to honour the time of sealing.
"""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from govcode_node.domain.digests import sm3
from govcode_node.domain.keys import InvalidSignatureError
from govcode_node.providers.licence.faults import OfdFault, OfdRefusedError, refuse
from govcode_node.providers.licence.ses_asn1 import (
    CERTIFICATE_DIGESTS,
    CERTIFICATES,
    SEAL_VERSION,
    SM2_WITH_SM3,
    CertDigestList,
    Certificate,
    CertInfoList,
    SesSignature,
    check_complete,
    check_shape,
    raw_signature,
    sm2_point,
)

MAX_SIGNED_VALUE_BYTES: Final = 1024 * 1024
CLOCK_TOLERANCE: Final = timedelta(minutes=5)
"""How far ahead the clock of a sealing machine may be."""

_SM3_NAMES: Final = ("SM3", "1.2.156.10197.1.401")


class Sm2Verify(Protocol):
    """A check of one SM2 signature over SM3 with the default user id (GB/T 32918)."""

    def __call__(self, public_point: bytes, signature: bytes, data: bytes, /) -> None:
        """It returns quietly when the raw 64-byte signature is good.

        Raises:
            InvalidSignatureError: In every other case.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SealCertificate:
    """A certificate of an SM2 key, as far as seals need it.

    Attributes:
        thumbprint: SM3 of the certificate, hexadecimal.
        common_name: Whom it names.
        organisation: Of which organisation; empty where it does not say.
        point: The public key, 65 bytes.
        not_before_at: Start of its time.
        not_after_at: End of its time.
        may_sign: Whether its use allows signatures.
        subject: Encoded name of the subject.
        issuer: Encoded name of the issuer.
        signed: What the issuer signed.
        signature: The issuer's signature, 64 bytes.
    """

    thumbprint: str
    common_name: str
    organisation: str
    point: bytes = field(repr=False)
    not_before_at: datetime
    not_after_at: datetime
    may_sign: bool
    subject: bytes = field(repr=False)
    issuer: bytes = field(repr=False)
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    @classmethod
    def from_der(cls, der: bytes) -> "SealCertificate":
        """It reads a certificate; its signature is not checked by that.

        Raises:
            ValueError: The bytes are no certificate of an SM2 key.
        """
        certificate = _parsed(Certificate, der)
        tbs = certificate["tbs_certificate"]
        algorithms = {certificate["signature_algorithm"]["algorithm"].dotted, tbs["signature"]["algorithm"].dotted}
        if algorithms != {SM2_WITH_SM3}:
            raise ValueError("the certificate is not signed by SM2 with SM3")
        usage = certificate.key_usage_value
        names = _names(tbs["subject"])
        return cls(
            thumbprint=sm3(der).hex(),
            common_name=names.get("common_name", ""),
            organisation=names.get("organization_name", ""),
            point=sm2_point(tbs["subject_public_key_info"]),
            not_before_at=_utc(tbs["validity"]["not_before"].native),
            not_after_at=_utc(tbs["validity"]["not_after"].native),
            may_sign=usage is None or bool({"digital_signature", "non_repudiation"} & usage.native),
            subject=bytes(tbs["subject"].dump()),
            issuer=bytes(tbs["issuer"].dump()),
            signed=bytes(tbs.dump()),
            signature=raw_signature(bytes(certificate["signature_value"].native)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SealTrust:
    """Whom this node believes about seals. What is empty trusts nobody.

    Attributes:
        makers: SM3 thumbprints of the certificates of trusted makers, hexadecimal.
        authorities: Certificates of those who may issue certificates of signers.
        revoked: SM3 thumbprints of certificates, makers' or signers', that are not to be believed any more. A revoked
            maker takes all its seals with it, whenever they were used.
        revoked_seals: Ids of seals (esID) that were revoked one by one.
        honours_sealing_time: Whether a seal stays good when it or a certificate of it runs out after its use.
    """

    makers: frozenset[str]
    authorities: tuple[SealCertificate, ...]
    revoked: frozenset[str] = frozenset()
    revoked_seals: frozenset[str] = frozenset()
    honours_sealing_time: bool = False

    @classmethod
    def of(
        cls,
        *,
        makers: Sequence[bytes],
        authorities: Sequence[bytes],
        revoked: frozenset[str] = frozenset(),
        revoked_seals: frozenset[str] = frozenset(),
        honours_sealing_time: bool = False,
    ) -> "SealTrust":
        """It takes certificates in DER.

        Raises:
            ValueError: One is no certificate of an SM2 key.
        """
        return cls(
            makers=frozenset(SealCertificate.from_der(der).thumbprint for der in makers),
            authorities=tuple(SealCertificate.from_der(der) for der in authorities),
            revoked=revoked,
            revoked_seals=revoked_seals,
            honours_sealing_time=honours_sealing_time,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SealFacts:
    """A seal that was checked.

    Attributes:
        seal_id: Id of the seal (esID).
        seal_name: Name of the seal. Example: `样例市公安局电子证照专用章`.
        signer: Whom the signer's certificate names.
        organisation: Of which organisation.
        signer_thumbprint: SM3 of the signer's certificate, hexadecimal.
        maker_thumbprint: SM3 of the maker's certificate, hexadecimal.
        sealed_at: When it was used, by its own word.
        time_stamped: Whether somebody else's time stamp is with it; that is not checked here.
    """

    seal_id: str
    seal_name: str
    signer: str
    organisation: str
    signer_thumbprint: str
    maker_thumbprint: str
    sealed_at: datetime
    time_stamped: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedSeal:
    """A seal as it stands in a file: read, not yet believed."""

    signature: Any
    seal: Any
    maker: SealCertificate
    signer: SealCertificate
    seal_id: str
    seal_name: str
    valid_start_at: datetime
    valid_end_at: datetime
    sealed_at: datetime

    @property
    def seal_bytes(self) -> bytes:
        """The seal (SESeal) as it was encoded."""
        return bytes(self.seal.dump())

    @property
    def data_hash(self) -> bytes:
        """Digest of what was sealed."""
        return bytes(self.signature["to_sign"]["data_hash"].native)

    @property
    def property_info(self) -> str:
        """What was sealed, in the signer's words: the path of the list of digests."""
        return str(self.signature["to_sign"]["property_info"].native)


def read_seal(signed_value: bytes) -> UsedSeal:
    """It reads the value of a seal's signature (SES_Signature); nothing is believed yet.

    Raises:
        OfdRefusedError: The bytes are no such structure, or one of another version.
    """
    if len(signed_value) > MAX_SIGNED_VALUE_BYTES:
        refuse(OfdFault.TOO_LARGE, "the value of the seal is too long")
    try:
        signature = _parsed(SesSignature, signed_value)
        check_complete(signature)
        to_sign = signature["to_sign"]
        seal = to_sign["eseal"]
        info = seal["seal_info"]
        used = UsedSeal(
            signature=signature,
            seal=seal,
            maker=SealCertificate.from_der(bytes(seal["cert"].native)),
            signer=SealCertificate.from_der(bytes(signature["cert"].native)),
            seal_id=str(info["es_id"].native),
            seal_name=str(info["property"]["name"].native),
            valid_start_at=_utc(info["property"]["valid_start"].native),
            valid_end_at=_utc(info["property"]["valid_end"].native),
            sealed_at=_utc(to_sign["time_info"].native),
        )
        _check_kind(signature)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        # Readers of ASN.1 may repeat content in their messages; the kind of fault is enough.
        raise OfdRefusedError(OfdFault.SEAL_BROKEN, f"the seal is malformed ({type(error).__name__})") from None
    return used


def check_seal(used: UsedSeal, *, trust: SealTrust, verify_sm2: Sm2Verify, now: datetime) -> SealFacts:
    """It checks a seal by itself: signatures, list of users, trust, revocation, time. What was sealed is not looked at.

    Args:
        used: The seal as read.
        trust: Whom to believe.
        verify_sm2: Checks one signature.
        now: The time.

    Raises:
        OfdRefusedError: It is not to be believed; `fault` says why.
    """
    to_sign = used.signature["to_sign"]
    _check_signature(verify_sm2, used.signer, used.signature["signature"], to_sign, "the signer's signature")
    _check_signature(verify_sm2, used.maker, used.seal["signed_value"], used.seal["seal_info"], "the maker's signature")
    _check_listed(used)
    if used.maker.thumbprint not in trust.makers:
        refuse(OfdFault.MAKER_UNTRUSTED, f"maker {used.maker.thumbprint} is not trusted")
    authority = _issuer_of(used.signer, trust, verify_sm2)
    for thumbprint, whose in ((used.maker.thumbprint, "maker"), (used.signer.thumbprint, "signer")):
        if thumbprint in trust.revoked:
            refuse(OfdFault.REVOKED, f"the {whose}'s certificate {thumbprint} was revoked")
    if used.seal_id in trust.revoked_seals:
        refuse(OfdFault.REVOKED, "the seal was revoked")
    if not (used.maker.may_sign and used.signer.may_sign):
        refuse(OfdFault.SEAL_MISMATCH, "a certificate of the seal is not for signatures")
    _check_times(used, authority, honours_sealing_time=trust.honours_sealing_time, now=now)
    return SealFacts(
        seal_id=used.seal_id,
        seal_name=used.seal_name,
        signer=used.signer.common_name,
        organisation=used.signer.organisation,
        signer_thumbprint=used.signer.thumbprint,
        maker_thumbprint=used.maker.thumbprint,
        sealed_at=used.sealed_at,
        time_stamped=bool(used.signature["time_stamp"].native or used.signature["time_stamp_untagged"].native),
    )


def _check_kind(signature: Any) -> None:
    """It refuses seals of other versions and algorithms, and makers' fields that must be understood."""
    to_sign, seal = signature["to_sign"], signature["to_sign"]["eseal"]
    header = seal["seal_info"]["header"]
    versions = {int(to_sign["version"].native), int(header["version"].native)}
    if header["id"].native != "ES" or versions != {SEAL_VERSION}:
        refuse(OfdFault.SEAL_UNSUPPORTED, "the seal is not of version 4")
    if {seal["sign_alg_id"].dotted, signature["signature_alg_id"].dotted} != {SM2_WITH_SM3}:
        refuse(OfdFault.SEAL_UNSUPPORTED, "the seal is not signed by SM2 with SM3")
    for holder in (to_sign, seal["seal_info"]):
        for name in ("ext_datas", "ext_datas_untagged"):
            extensions = holder[name].native or ()
            if any(extension["critical"] for extension in extensions):
                refuse(OfdFault.SEAL_UNSUPPORTED, "the seal has a critical field that is not known")


def _check_signature(verify_sm2: Sm2Verify, by: SealCertificate, value: Any, signed: Any, what: str) -> None:
    try:
        verify_sm2(by.point, raw_signature(bytes(value.native)), bytes(signed.dump()))
    except (InvalidSignatureError, ValueError, TypeError) as error:
        raise OfdRefusedError(OfdFault.SEAL_BROKEN, f"{what} is wrong") from error


def _check_listed(used: UsedSeal) -> None:
    """It refuses a signer whom the maker did not allow to use this seal."""
    listed = used.seal["seal_info"]["property"]
    kind = int(listed["cert_list_type"].native)
    own = bytes(used.signature["cert"].native)
    try:
        if kind == CERTIFICATES:
            allowed = [bytes(der) for der in listed["cert_list"].parse(CertInfoList).native]
        elif kind == CERTIFICATE_DIGESTS:
            digests = listed["cert_list"].parse(CertDigestList).native
            allowed = [bytes(each["value"]) for each in digests if str(each["type"]).upper() in _SM3_NAMES]
            own = sm3(own)
        else:
            refuse(OfdFault.SEAL_UNSUPPORTED, "the seal lists its users in an unknown way")
    except (ValueError, TypeError, KeyError, RecursionError):
        raise OfdRefusedError(OfdFault.SEAL_BROKEN, "the seal's list of users is malformed") from None
    if not any(hmac.compare_digest(own, each) for each in allowed):
        refuse(OfdFault.SEAL_MISMATCH, "the signer is not among the users of the seal")


def _issuer_of(signer: SealCertificate, trust: SealTrust, verify_sm2: Sm2Verify) -> SealCertificate:
    for authority in trust.authorities:
        if authority.subject != signer.issuer:
            continue
        try:
            verify_sm2(authority.point, signer.signature, signer.signed)
        except InvalidSignatureError:
            continue
        return authority
    refuse(OfdFault.SIGNER_UNTRUSTED, "no trusted authority issued the signer's certificate")


def _check_times(used: UsedSeal, authority: SealCertificate, *, honours_sealing_time: bool, now: datetime) -> None:
    if used.sealed_at > now + CLOCK_TOLERANCE:
        refuse(OfdFault.SEAL_EXPIRED, "the seal says that it was used in the future")
    periods = (
        ("the seal", used.valid_start_at, used.valid_end_at),
        ("the signer's certificate", used.signer.not_before_at, used.signer.not_after_at),
        ("the maker's certificate", used.maker.not_before_at, used.maker.not_after_at),
        ("the authority's certificate", authority.not_before_at, authority.not_after_at),
    )
    for what, start, end in periods:
        if not start <= used.sealed_at <= end:
            refuse(OfdFault.SEAL_EXPIRED, f"{what} was out of its time when it was used")
        if now > end and not honours_sealing_time:
            refuse(OfdFault.SEAL_EXPIRED, f"{what} has run out")


def _parsed(kind: Any, data: bytes) -> Any:
    """It parses DER and looks at every value once, since asn1crypto parses only what is asked for."""
    check_shape(data)
    value = kind.load(data, strict=True)
    value.native  # noqa: B018 - parses everything
    return value


def _names(name: Any) -> Mapping[str, str]:
    return {key: value for key, value in name.native.items() if isinstance(value, str)}


def _utc(moment: Any) -> datetime:
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise ValueError("a time without its zone")
    return moment.astimezone(UTC)
