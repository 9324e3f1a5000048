"""The structures of an electronic seal as GB/T 38540 lays them down (version 4), in DER, and of certificates.

Only what the standard has; a field more makes a structure malformed (`check_complete`), so that nothing stands in a
seal that was signed but not looked at.
"""

from typing import ClassVar, Final

from asn1crypto import core, keys, x509

SM2_WITH_SM3: Final = "1.2.156.10197.1.501"
SM2_CURVE: Final = "1.2.156.10197.1.301"
SEAL_VERSION: Final = 4
MAX_ITEMS: Final = 2_000
"""Values in one structure; a seal with its certificates has about a hundred."""

_CONSTRUCTED: Final = 0x20
_HIGH_TAG: Final = 0x1F
_LONG_LENGTH: Final = 0x80
_LENGTH_BYTES: Final = 4
CERTIFICATES: Final = 1
"""The seal lists whole certificates of those who may use it."""
CERTIFICATE_DIGESTS: Final = 2
"""The seal lists digests of those certificates."""


class ExtData(core.Sequence):
    """A field of a maker's own."""

    _fields: ClassVar = [
        ("extn_id", core.ObjectIdentifier),
        ("critical", core.Boolean, {"default": False}),
        ("extn_value", core.OctetString),
    ]


class ExtDatas(core.SequenceOf):
    """Fields of a maker's own."""

    _child_spec: ClassVar = ExtData


class SesHeader(core.Sequence):
    """Kind, version and maker's software of a seal."""

    _fields: ClassVar = [("id", core.IA5String), ("version", core.Integer), ("vid", core.IA5String)]


class CertInfoList(core.SequenceOf):
    """Certificates of those who may use the seal."""

    _child_spec: ClassVar = core.OctetString


class CertDigest(core.Sequence):
    """Digest of a certificate, and by which algorithm."""

    _fields: ClassVar = [("type", core.PrintableString), ("value", core.OctetString)]


class CertDigestList(core.SequenceOf):
    """Digests of the certificates of those who may use the seal."""

    _child_spec: ClassVar = CertDigest


class PropertyInfo(core.Sequence):
    """Name, users and time of a seal."""

    _fields: ClassVar = [
        ("type", core.Integer),
        ("name", core.UTF8String),
        ("cert_list_type", core.Integer),
        ("cert_list", core.Any),
        ("create_date", core.GeneralizedTime),
        ("valid_start", core.GeneralizedTime),
        ("valid_end", core.GeneralizedTime),
    ]


class PictureInfo(core.Sequence):
    """What the seal looks like; sizes in millimetres."""

    _fields: ClassVar = [
        ("type", core.IA5String),
        ("data", core.OctetString),
        ("width", core.Integer),
        ("height", core.Integer),
    ]


class SealInfo(core.Sequence):
    """What a maker signs of a seal. Makers write the fields of their own with and without a tag."""

    _fields: ClassVar = [
        ("header", SesHeader),
        ("es_id", core.IA5String),
        ("property", PropertyInfo),
        ("picture", PictureInfo),
        ("ext_datas", ExtDatas, {"explicit": 0, "optional": True}),
        ("ext_datas_untagged", ExtDatas, {"optional": True}),
    ]


class SesSeal(core.Sequence):
    """An electronic seal (电子印章), signed by its maker (制章者)."""

    _fields: ClassVar = [
        ("seal_info", SealInfo),
        ("cert", core.OctetString),
        ("sign_alg_id", core.ObjectIdentifier),
        ("signed_value", core.OctetBitString),
    ]


class TbsSign(core.Sequence):
    """What the user of a seal signs."""

    _fields: ClassVar = [
        ("version", core.Integer),
        ("eseal", SesSeal),
        ("time_info", core.GeneralizedTime),
        ("data_hash", core.OctetBitString),
        ("property_info", core.IA5String),
        ("ext_datas", ExtDatas, {"explicit": 0, "optional": True}),
        ("ext_datas_untagged", ExtDatas, {"optional": True}),
    ]


class SesSignature(core.Sequence):
    """A seal put on a document (电子签章), signed by its user (签章者)."""

    _fields: ClassVar = [
        ("to_sign", TbsSign),
        ("cert", core.OctetString),
        ("signature_alg_id", core.ObjectIdentifier),
        ("signature", core.OctetBitString),
        ("time_stamp", core.OctetBitString, {"explicit": 0, "optional": True}),
        ("time_stamp_untagged", core.OctetBitString, {"optional": True}),
    ]


class EcSignature(core.Sequence):
    """The two numbers of a signature."""

    _fields: ClassVar = [("r", core.Integer), ("s", core.Integer)]


Certificate = x509.Certificate


def check_shape(data: bytes) -> None:
    """It raises unless data are one DER value of a bounded number of values inside.

    A parser makes an object of a few hundred bytes from each value of two, so they are counted before it sees them.
    Lengths are checked to be definite and in their place on the way; everything else is the parser's.

    Raises:
        ValueError: They are not.
    """
    waiting = [(0, len(data))]
    items = 0
    while waiting:
        at, end = waiting.pop()
        while at < end:
            items += 1
            if items > MAX_ITEMS:
                raise ValueError("too many values")
            constructed = data[at] & _CONSTRUCTED
            if data[at] & _HIGH_TAG == _HIGH_TAG or at + 2 > end:
                raise ValueError("a value without its length, or of an unknown kind")
            start, length = at + 2, data[at + 1]
            if length & _LONG_LENGTH:
                size = length & ~_LONG_LENGTH
                length = int.from_bytes(data[start : start + size], "big")
                start += size
                if not 1 <= size <= _LENGTH_BYTES:
                    raise ValueError("a length of another form than DER")
            at = start + length
            if at > end:
                raise ValueError("a value that is longer than what holds it")
            if constructed:
                waiting.append((start, at))


def check_complete(value: core.Sequence) -> None:
    """It raises where a structure, or one inside it, has more fields than its definition.

    Raises:
        ValueError: It has.
    """
    if len(value) > len(value._fields):
        raise ValueError(f"{type(value).__name__} has unknown fields")
    for name in (field[0] for field in value._fields):
        child = value[name]
        if isinstance(child, core.Sequence):
            check_complete(child)
        elif isinstance(child, ExtDatas | CertInfoList | CertDigestList):
            for item in child:
                if isinstance(item, core.Sequence):
                    check_complete(item)


def raw_signature(der: bytes) -> bytes:
    """It turns a signature in DER into the raw 64 bytes of both numbers.

    Raises:
        ValueError: The bytes are not exactly that.
    """
    pair = EcSignature.load(der, strict=True)
    check_complete(pair)
    if pair.dump(force=True) != der:
        raise ValueError("the signature is not in DER")
    numbers = (int(pair["r"].native), int(pair["s"].native))
    if any(number <= 0 for number in numbers):
        raise ValueError("a number of the signature is not positive")
    try:
        return b"".join(number.to_bytes(32, "big") for number in numbers)
    except OverflowError as error:
        raise ValueError("a number of the signature is too long") from error


def der_signature(raw: bytes) -> bytes:
    """It turns the raw 64 bytes of a signature into DER."""
    pair = EcSignature({"r": int.from_bytes(raw[:32], "big"), "s": int.from_bytes(raw[32:], "big")})
    return bytes(pair.dump())


def sm2_point(info: keys.PublicKeyInfo) -> bytes:
    """It gives the uncompressed point of an SM2 public key, 65 bytes.

    Raises:
        ValueError: It is a key of another kind.
    """
    if info["algorithm"]["algorithm"].native != "ec":
        raise ValueError("the key is of no elliptic curve")
    parameters = info["algorithm"]["parameters"]
    if parameters.name != "named" or parameters.chosen.dotted != SM2_CURVE:
        raise ValueError("the key is not of the SM2 curve")
    point = bytes(info["public_key"].native)
    if len(point) != 65 or point[0] != 4:
        raise ValueError("the key is no uncompressed point")
    return point
