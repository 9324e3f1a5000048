"""Licence records with their issuer's seal: what a licence says, in a form that one SM2 signature holds together.

A record does not hold the values of its fields but a digest of each, salted so that a value cannot be guessed from it.
So a licence system can give the fields that were asked for and no others (6.3-14), and the issuer's seal still vouches
for each that is given. What is signed is the tag, a line feed, and the record as JSON with sorted keys, without
spaces, in UTF-8: any language makes the same bytes.
"""

import base64
import binascii
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Final

from govcode_node.domain.digests import sm3
from govcode_node.domain.errors import FactsError
from govcode_node.domain.keys import InvalidSignatureError
from govcode_node.domain.licenses import MAX_DOCUMENT, LicenseDocument, LicenseSealInvalidError, LicenseStatus
from govcode_node.providers.licence.seals import SealTrust, Sm2Verify

RECORD_TAG: Final = b"govcode-licence-record-v1"
FIELD_TAG: Final = b"govcode-licence-field-v1"
SALT_BYTES: Final = 16
FORMATS: Final = ("OFD", "PDF")
MAX_FIELDS: Final = 100

_DIGEST_BYTES: Final = 32
_TEXT_LIMIT: Final = 1000
_LICENSE_ID: Final = re.compile(r"[0-9A-Za-z_-]{1,64}")
_CHINA: Final = timezone(timedelta(hours=8))


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenceRecord:
    """What an issuer seals of a licence.

    Attributes:
        license_id: Id at the licence system.
        license_type: Its type.
        number: Number of the licence.
        issuer_name: Its issuer.
        holder_name: Name of its holder.
        holder_number: Number of its holder.
        valid_from: First day of its force.
        valid_until: Last day of its force; None without end.
        field_digests: Digest of each field, by name; 32 bytes each.
        document: Its document; None without one.
    """

    license_id: str
    license_type: str
    number: str = field(repr=False)
    issuer_name: str
    holder_name: str = field(repr=False)
    holder_number: str = field(repr=False)
    valid_from: date
    valid_until: date | None
    field_digests: Mapping[str, bytes] = field(repr=False)
    document: LicenseDocument | None

    def status_at(self, now: datetime, said: LicenseStatus) -> LicenseStatus:
        """It gives the state: what the licence system says, and expired after the last day, which ends in China."""
        today = now.astimezone(_CHINA).date()
        if said is LicenseStatus.VALID and self.valid_until is not None and today > self.valid_until:
            return LicenseStatus.EXPIRED
        return said


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedRecord:
    """A record as received, with what is to be believed only after `check_record`.

    Attributes:
        record: The record.
        key_id: Id of the issuer's key that sealed it.
        signature: The seal, 64 bytes.
    """

    record: LicenceRecord
    key_id: str
    signature: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SaltedField:
    """The value of a field with the salt of its digest."""

    salt: bytes = field(repr=False)
    value: str = field(repr=False)

    def digest(self, name: str) -> bytes:
        """It gives the digest that a record holds for the field of that name."""
        parts = (FIELD_TAG, name.encode(), self.salt, self.value.encode())
        return sm3(b"".join(len(part).to_bytes(4, "big") + part for part in parts))


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerKey:
    """A key by which an issuer seals records.

    Attributes:
        issuer_name: The issuer; it seals in no other name.
        point: The public point, 65 bytes.
        license_types: The types that it issues; every type where empty.
    """

    issuer_name: str
    point: bytes = field(repr=False)
    license_types: frozenset[str] = frozenset()

    @property
    def key_id(self) -> str:
        """Id of the key: the first eight bytes of the point's SM3, hexadecimal."""
        return sm3(self.point)[:8].hex()


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenceTrust:
    """Whom a node believes about licences.

    Attributes:
        issuers: Issuers' keys for records, by key id.
        seals: Makers and authorities of seals in documents.
    """

    issuers: Mapping[str, IssuerKey]
    seals: SealTrust


@dataclass(eq=False)
class LicenceTrustError(FactsError):
    """The file that says whom to believe about licences cannot be used."""

    path: str
    why: str
    says = "{path}: {why}"


def record_bytes(record: LicenceRecord) -> bytes:
    """It gives the bytes that an issuer signs."""
    return RECORD_TAG + b"\n" + _canonical(record_to_json(record))


def record_to_json(record: LicenceRecord) -> dict[str, Any]:
    """It gives a record as JSON values."""
    document = record.document
    return {
        "license_id": record.license_id,
        "license_type": record.license_type,
        "number": record.number,
        "issuer_name": record.issuer_name,
        "holder_name": record.holder_name,
        "holder_number": record.holder_number,
        "valid_from": record.valid_from.isoformat(),
        "valid_until": record.valid_until.isoformat() if record.valid_until else "",
        "field_digests": {name: digest.hex() for name, digest in record.field_digests.items()},
        "document": None
        if document is None
        else {"format": document.format, "size": document.size, "sm3": document.digest.hex()},
    }


def sealed_to_json(sealed: SealedRecord, fields: Mapping[str, SaltedField]) -> dict[str, Any]:
    """It gives a sealed record with some of its fields as JSON values."""
    return {
        "record": record_to_json(sealed.record),
        "seal": {"key_id": sealed.key_id, "signature": base64.b64encode(sealed.signature).decode()},
        "fields": {
            name: {"salt": base64.b64encode(given.salt).decode(), "value": given.value}
            for name, given in fields.items()
        },
    }


def sealed_from_json(value: object) -> tuple[SealedRecord, dict[str, SaltedField]]:
    """It reads a sealed record with its fields; nothing is believed yet.

    Raises:
        LicenseSealInvalidError: It has not the form.
    """
    try:
        outer = _table(value, {"record", "seal", "fields"})
        seal = _table(outer["seal"], {"key_id", "signature"})
        sealed = SealedRecord(
            record=_record_from_json(outer["record"]),
            key_id=_text(seal["key_id"]),
            signature=base64.b64decode(_text(seal["signature"]), validate=True),
        )
        fields = {_text(name): _field_from_json(each) for name, each in _named(outer["fields"]).items()}
    except (ValueError, TypeError, KeyError, binascii.Error):
        # The cause is cut off because its text could repeat content.
        raise LicenseSealInvalidError("MALFORMED_RECORD") from None
    return sealed, fields


def check_record(
    sealed: SealedRecord, fields: Mapping[str, SaltedField], *, trust: LicenceTrust, verify_sm2: Sm2Verify
) -> LicenceRecord:
    """It checks the issuer's seal over a record and over each of the given fields (6.3-15), and gives the record.

    Raises:
        LicenseSealInvalidError: The issuer is not known, seals in another's name, or the seal does not hold.
    """
    record = sealed.record
    issuer = trust.issuers.get(sealed.key_id)
    if issuer is None:
        raise LicenseSealInvalidError("ISSUER_UNKNOWN")
    if issuer.issuer_name != record.issuer_name:
        raise LicenseSealInvalidError("ISSUER_MISMATCH")
    if issuer.license_types and record.license_type not in issuer.license_types:
        raise LicenseSealInvalidError("TYPE_NOT_ISSUED")
    try:
        verify_sm2(issuer.point, sealed.signature, record_bytes(record))
    except InvalidSignatureError as error:
        raise LicenseSealInvalidError("SIGNATURE") from error
    for name, given in fields.items():
        expected = record.field_digests.get(name, b"")
        if not hmac.compare_digest(expected, given.digest(name)):
            raise LicenseSealInvalidError("FIELD_ALTERED")
    return record


def load_licence_trust(path: Path) -> LicenceTrust:
    """It reads whom to believe about licences from a JSON file.

    Keys: `issuers` (list of `name`, `public_key` in hexadecimal, optional `license_types`), `makers` and `authorities`
    (lists of certificates, DER in Base64), optional `revoked` and `revoked_seals`, optional `honours_sealing_time`.

    Raises:
        LicenceTrustError: The file cannot be read or used.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        optional = {"revoked", "revoked_seals", "honours_sealing_time"}
        table = _table(document, {"issuers", "makers", "authorities"}, optional=optional)
        issuers = [_issuer_from_json(each) for each in table["issuers"]]
        seals = SealTrust.of(
            makers=[base64.b64decode(each, validate=True) for each in table["makers"]],
            authorities=[base64.b64decode(each, validate=True) for each in table["authorities"]],
            revoked=frozenset(map(str, table.get("revoked", ()))),
            revoked_seals=frozenset(map(str, table.get("revoked_seals", ()))),
            honours_sealing_time=table.get("honours_sealing_time", False) is True,
        )
    except (OSError, ValueError, TypeError, KeyError, binascii.Error) as error:
        raise LicenceTrustError(str(path), f"cannot be used: {error}") from error
    return LicenceTrust(issuers={issuer.key_id: issuer for issuer in issuers}, seals=seals)


def trust_to_json(
    issuers: Sequence[IssuerKey], *, makers: Sequence[bytes], authorities: Sequence[bytes]
) -> dict[str, Any]:
    """It gives the content of a file for `load_licence_trust`; certificates in DER."""
    return {
        "issuers": [
            {
                "name": issuer.issuer_name,
                "public_key": issuer.point.hex(),
                "license_types": sorted(issuer.license_types),
            }
            for issuer in issuers
        ],
        "makers": [base64.b64encode(der).decode() for der in makers],
        "authorities": [base64.b64encode(der).decode() for der in authorities],
    }


def masked(number: str) -> str:
    """It masks the number of a licence: a few characters at both ends stay."""
    shown = min(4, len(number) // 4)
    return number[:shown] + "*" * (len(number) - 2 * shown) + (number[-shown:] if shown else "")


def _canonical(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _table(value: object, keys: set[str], *, optional: set[str] | None = None) -> dict[str, Any]:
    if not isinstance(value, dict) or not keys <= value.keys() <= keys | (optional or set()):
        raise ValueError("not the expected keys")
    return value


def _named(value: object) -> dict[str, Any]:
    """Values by the names of fields."""
    if not isinstance(value, dict) or len(value) > MAX_FIELDS:
        raise ValueError("not a table of fields")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > _TEXT_LIMIT:
        raise ValueError("not a text")
    value.encode()
    return value


def _digest(value: object) -> bytes:
    digest = bytes.fromhex(_text(value))
    if len(digest) != _DIGEST_BYTES:
        raise ValueError("not a digest")
    return digest


def _record_from_json(value: object) -> LicenceRecord:
    names = {"license_id", "license_type", "number", "issuer_name", "holder_name", "holder_number"}
    table = _table(value, {*names, "valid_from", "valid_until", "field_digests", "document"})
    texts = {name: _text(table[name]) for name in names}
    # The id becomes part of paths and addresses.
    if _LICENSE_ID.fullmatch(texts["license_id"]) is None:
        raise ValueError("license_id")
    until = _text(table["valid_until"])
    return LicenceRecord(
        **texts,
        valid_from=date.fromisoformat(_text(table["valid_from"])),
        valid_until=date.fromisoformat(until) if until else None,
        field_digests={_text(name): _digest(digest) for name, digest in _named(table["field_digests"]).items()},
        document=None if table["document"] is None else _document_from_json(table["document"]),
    )


def _document_from_json(value: object) -> LicenseDocument:
    table = _table(value, {"format", "size", "sm3"})
    size = table["size"]
    if table["format"] not in FORMATS or type(size) is not int or not 0 < size <= MAX_DOCUMENT:
        raise ValueError("document")
    return LicenseDocument(format=table["format"], size=size, digest=_digest(table["sm3"]))


def _field_from_json(value: object) -> SaltedField:
    table = _table(value, {"salt", "value"})
    salt = base64.b64decode(_text(table["salt"]), validate=True)
    if len(salt) != SALT_BYTES:
        raise ValueError("salt")
    return SaltedField(salt=salt, value=_text(table["value"]))


def _issuer_from_json(value: object) -> IssuerKey:
    table = _table(value, {"name", "public_key"}, optional={"license_types"})
    point = bytes.fromhex(_text(table["public_key"]))
    if len(point) != 65 or point[0] != 4:
        raise ValueError("a public key is an uncompressed point of 65 bytes")
    types = frozenset(_text(each) for each in table.get("license_types", ()))
    return IssuerKey(issuer_name=_text(table["name"]), point=point, license_types=types)
