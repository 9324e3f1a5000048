"""Synthetic licences as files: OFD with an electronic seal, and PDF, complete enough for any reader of the formats.

The embedded provider makes its attachments with these at start, and tests make good and bad ones. Every page says that
it is a sample (样例) and has no force.
"""

import base64
import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from html import escape
from typing import BinaryIO, Final

from asn1crypto import core

from govcode_node.domain.digests import sm3
from govcode_node.providers.licence.ses_asn1 import (
    CERTIFICATE_DIGESTS,
    CERTIFICATES,
    SEAL_VERSION,
    SM2_WITH_SM3,
    CertDigestList,
    CertInfoList,
    SesSeal,
    SesSignature,
    TbsSign,
    der_signature,
)
from govcode_node.providers.licence.specimen_keys import SpecimenHouse

WARNING: Final = "样例 无任何效力 SPECIMEN"
SIGNATURES: Final = "Doc_0/Signs/Signatures.xml"
SIGNATURE: Final = "Doc_0/Signs/Sign_0/Signature.xml"
SIGNED_VALUE: Final = "Doc_0/Signs/Sign_0/SignedValue.dat"
SEAL: Final = "Doc_0/Signs/Sign_0/Seal.esl"

_NS: Final = 'xmlns:ofd="http://www.ofdspec.org/2016"'
_HEAD: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
_A4_MM: Final = (210, 297)
_FIXED_DATE: Final = (2026, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecimenText:
    """What stands on a synthetic licence.

    Attributes:
        title: Title of the licence. Example: `出生医学证明`.
        lines: Lines of the first page; names of fields with their values.
    """

    title: str
    lines: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealPlan:
    """How a synthetic seal is made and used.

    Attributes:
        house: Who makes and uses it.
        seal_id: Id of the seal.
        seal_name: Name of the seal.
        valid_start_at: Start of its time.
        valid_end_at: End of its time.
        sealed_at: When it is used.
        by_digest: Whether it lists digests of its users' certificates instead of the certificates.
    """

    house: SpecimenHouse
    seal_id: str
    seal_name: str
    valid_start_at: datetime
    valid_end_at: datetime
    sealed_at: datetime
    by_digest: bool = False

    @classmethod
    def usual(
        cls,
        house: SpecimenHouse,
        *,
        sealed_at: datetime,
        seal_id: str = "SPECIMEN-0001",
        lifetime: timedelta = timedelta(days=180),
    ) -> "SealPlan":
        """It plans a seal that holds from an hour before its use, half a year from then where nothing else is said."""
        sealed_at = sealed_at.replace(microsecond=0)
        return cls(
            house=house,
            seal_id=seal_id,
            seal_name=f"{house.signer.name}专用章（样例）",
            valid_start_at=sealed_at - timedelta(hours=1),
            valid_end_at=sealed_at + lifetime,
            sealed_at=sealed_at,
        )


def document_parts(text: SpecimenText, *, pages: int = 1, pictures: Sequence[bytes] = ()) -> dict[str, bytes]:
    """It makes the parts of an OFD document that is not sealed yet, by name.

    Args:
        text: What stands on the first page.
        pages: How many pages.
        pictures: PNG files; the pages show them in turn.
    """
    parts = {"OFD.xml": _ofd_xml(text.title), "Doc_0/Document.xml": _document_xml(pages, bool(pictures))}
    parts["Doc_0/PublicRes.xml"] = _xml(
        f'<ofd:Res {_NS} BaseLoc="Res"><ofd:Fonts><ofd:Font ID="1" FontName="宋体"/></ofd:Fonts></ofd:Res>'
    )
    if pictures:
        media = "".join(
            f'<ofd:MultiMedia ID="{500 + index}" Type="Image" Format="PNG">'
            f"<ofd:MediaFile>Image_{index}.png</ofd:MediaFile></ofd:MultiMedia>"
            for index in range(len(pictures))
        )
        parts["Doc_0/DocumentRes.xml"] = _xml(
            f'<ofd:Res {_NS} BaseLoc="Res"><ofd:MultiMedias>{media}</ofd:MultiMedias></ofd:Res>'
        )
        for index, picture in enumerate(pictures):
            parts[f"Doc_0/Res/Image_{index}.png"] = picture
    for page in range(pages):
        lines = (WARNING, text.title, *text.lines) if page == 0 else (WARNING, f"{text.title} {page + 1}/{pages}")
        shown = [index for index in range(len(pictures)) if index % pages == page]
        parts[f"Doc_0/Pages/Page_{page}/Content.xml"] = _page_xml(page, lines, shown)
    return parts


def seal_parts(parts: Mapping[str, bytes], plan: SealPlan) -> dict[str, bytes]:
    """It seals the parts of a document and gives them together with the parts of the seal."""
    references = "".join(
        f'<ofd:Reference FileRef="/{name}"><ofd:CheckValue>{_base64(sm3(content))}</ofd:CheckValue></ofd:Reference>'
        for name, content in parts.items()
    )
    moment = plan.sealed_at.strftime("%Y%m%d%H%M%SZ")
    listing = _xml(
        f"<ofd:Signature {_NS}><ofd:SignedInfo>"
        '<ofd:Provider ProviderName="govcode-specimen" Version="1" Company="样例"/>'
        f"<ofd:SignatureMethod>{SM2_WITH_SM3}</ofd:SignatureMethod>"
        f"<ofd:SignatureDateTime>{moment}</ofd:SignatureDateTime>"
        f'<ofd:References CheckMethod="1.2.156.10197.1.401">{references}</ofd:References>'
        '<ofd:StampAnnot ID="900" PageRef="100" Boundary="130 220 40 40"/>'
        f"<ofd:Seal><ofd:BaseLoc>/{SEAL}</ofd:BaseLoc></ofd:Seal>"
        f"</ofd:SignedInfo><ofd:SignedValue>/{SIGNED_VALUE}</ofd:SignedValue></ofd:Signature>"
    )
    seal = make_seal(plan)
    return {
        **parts,
        SIGNATURES: _xml(
            f"<ofd:Signatures {_NS}><ofd:MaxSignId>1</ofd:MaxSignId>"
            f'<ofd:Signature ID="1" Type="Seal" BaseLoc="/{SIGNATURE}"/></ofd:Signatures>'
        ),
        SIGNATURE: listing,
        SEAL: bytes(seal.dump()),
        SIGNED_VALUE: use_seal(seal, plan, listing=listing, location=f"/{SIGNATURE}"),
    }


def make_seal(plan: SealPlan) -> SesSeal:
    """It makes an electronic seal: its maker signs what it is and who may use it."""
    signer = plan.house.signer.der
    users = (
        CertDigestList([{"type": "SM3", "value": sm3(signer)}]) if plan.by_digest else CertInfoList([signer])
    )  # fmt: skip
    info = {
        "header": {"id": "ES", "version": SEAL_VERSION, "vid": "SPECIMEN"},
        "es_id": plan.seal_id,
        "property": {
            "type": 1,
            "name": plan.seal_name,
            "cert_list_type": CERTIFICATE_DIGESTS if plan.by_digest else CERTIFICATES,
            "cert_list": core.Any(users),
            "create_date": plan.valid_start_at,
            "valid_start": plan.valid_start_at,
            "valid_end": plan.valid_end_at,
        },
        "picture": {"type": "PNG", "data": seal_picture(), "width": 40, "height": 40},
    }
    seal = SesSeal({"seal_info": info, "cert": plan.house.maker.der, "sign_alg_id": SM2_WITH_SM3})
    seal["signed_value"] = core.OctetBitString(der_signature(plan.house.maker.key.sign(seal["seal_info"].dump())))
    return seal


def use_seal(seal: SesSeal, plan: SealPlan, *, listing: bytes, location: str) -> bytes:
    """It uses a seal on a list of digests and gives the value of the signature (SES_Signature)."""
    to_sign = TbsSign(
        {
            "version": SEAL_VERSION,
            "eseal": seal,
            "time_info": plan.sealed_at,
            "data_hash": core.OctetBitString(sm3(listing)),
            "property_info": location,
        }
    )
    signer = plan.house.signer
    signature = core.OctetBitString(der_signature(signer.key.sign(to_sign.dump())))
    value = SesSignature(
        {"to_sign": to_sign, "cert": signer.der, "signature_alg_id": SM2_WITH_SM3, "signature": signature}
    )
    return bytes(value.dump())


def write_package(parts: Mapping[str, bytes], target: BinaryIO) -> None:
    """It writes parts as a package; the same parts give the same bytes."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            info = zipfile.ZipInfo(name, _FIXED_DATE)
            info.compress_type = zipfile.ZIP_STORED if name.endswith(".png") else zipfile.ZIP_DEFLATED
            archive.writestr(info, content)


def sealed_ofd(text: SpecimenText, plan: SealPlan, *, pages: int = 1, pictures: Sequence[bytes] = ()) -> bytes:
    """It makes a whole sealed licence."""
    target = io.BytesIO()
    write_package(seal_parts(document_parts(text, pages=pages, pictures=pictures), plan), target)
    return target.getvalue()


def noise_picture(side: int, *, random_bytes: Callable[[int], bytes]) -> bytes:
    """It makes a grey square PNG of noise, about `side`² bytes, that no packing makes smaller."""
    rows = b"".join(b"\x00" + random_bytes(side) for _ in range(side))
    return _png(side, colour_type=0, rows=rows, level=0)


def seal_picture(side: int = 64) -> bytes:
    """It makes the picture of a round red seal."""
    rows = bytearray()
    middle = (side - 1) / 2
    for row in range(side):
        rows.append(0)
        for column in range(side):
            distance = ((row - middle) ** 2 + (column - middle) ** 2) ** 0.5 / middle
            rows += b"\xcc\x00\x00\xff" if 0.85 <= distance <= 0.98 else b"\xff\xff\xff\x00"
    return _png(side, colour_type=6, rows=bytes(rows), level=9)


def specimen_pdf(text: SpecimenText) -> bytes:
    """It makes a PDF of one page; a PDF has no seal inside, its digest stands in the issuer's record."""
    shown = [WARNING, text.title, *text.lines]
    drawn = "".join(f"<{line.encode('utf-16-be').hex().upper()}> Tj T*\n" for line in shown)
    stream = f"BT /F1 14 Tf 24 TL 72 770 Td\n{drawn}ET".encode()
    font = (
        b"<< /Type /Font /Subtype /Type0 /BaseFont /STSong-Light /Encoding /UniGB-UCS2-H /DescendantFonts [<< /Type"
        b" /Font /Subtype /CIDFontType0 /BaseFont /STSong-Light /CIDSystemInfo << /Registry (Adobe) /Ordering (GB1)"
        b" /Supplement 2 >> /FontDescriptor << /Type /FontDescriptor /FontName /STSong-Light /Flags 6 /FontBBox"
        b" [-25 -254 1000 880] /ItalicAngle 0 /Ascent 880 /Descent -120 /CapHeight 880 /StemV 93 >> >>] >>"
    )
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        font,
    ]
    body = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start = len(body)
    body += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    body += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    body += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(body)


def _ofd_xml(title: str) -> bytes:
    return _xml(
        f'<ofd:OFD {_NS} Version="1.0" DocType="OFD"><ofd:DocBody><ofd:DocInfo>'
        f"<ofd:DocID>{sm3(title.encode()).hex()[:32]}</ofd:DocID><ofd:Title>{escape(title)}</ofd:Title>"
        "<ofd:Creator>govcode specimen 样例</ofd:Creator></ofd:DocInfo>"
        f"<ofd:DocRoot>Doc_0/Document.xml</ofd:DocRoot><ofd:Signatures>{SIGNATURES}</ofd:Signatures>"
        "</ofd:DocBody></ofd:OFD>"
    )


def _document_xml(pages: int, has_pictures: bool) -> bytes:
    width, height = _A4_MM
    resources = "<ofd:DocumentRes>DocumentRes.xml</ofd:DocumentRes>" if has_pictures else ""
    listed = "".join(f'<ofd:Page ID="{100 + page}" BaseLoc="Pages/Page_{page}/Content.xml"/>' for page in range(pages))
    return _xml(
        f"<ofd:Document {_NS}><ofd:CommonData><ofd:MaxUnitID>100000</ofd:MaxUnitID>"
        f"<ofd:PageArea><ofd:PhysicalBox>0 0 {width} {height}</ofd:PhysicalBox></ofd:PageArea>"
        f"<ofd:PublicRes>PublicRes.xml</ofd:PublicRes>{resources}</ofd:CommonData>"
        f"<ofd:Pages>{listed}</ofd:Pages></ofd:Document>"
    )


def _page_xml(page: int, lines: Sequence[str], pictures: Sequence[int]) -> bytes:
    first = 10_000 + page * 100
    texts = "".join(
        f'<ofd:TextObject ID="{first + index}" Boundary="20 {20 + 10 * index} 170 8" Font="1" Size="5">'
        f'<ofd:TextCode X="0" Y="5">{escape(line)}</ofd:TextCode></ofd:TextObject>'
        for index, line in enumerate(lines)
    )
    images = "".join(
        f'<ofd:ImageObject ID="{first + 50 + place}" Boundary="20 150 60 60" CTM="60 0 0 60 0 0"'
        f' ResourceID="{500 + index}"/>'
        for place, index in enumerate(pictures)
    )
    layer = f'<ofd:Layer ID="{first + 99}">{texts}{images}</ofd:Layer>'
    return _xml(f"<ofd:Page {_NS}><ofd:Content>{layer}</ofd:Content></ofd:Page>")


def _xml(text: str) -> bytes:
    return (_HEAD + text + "\n").encode()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _png(side: int, *, colour_type: int, rows: bytes, level: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, colour_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, level)) + chunk(b"IEND", b"")
    )
