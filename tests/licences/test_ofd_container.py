"""The container of a licence can be read in one way only, within limits, and never outside itself."""

import io
import struct
import tracemalloc
import zipfile
from pathlib import Path
from random import Random

import pytest
from govcode_node.providers.licence.faults import OfdFault, OfdRefusedError
from govcode_node.providers.licence.marks import CopyMark
from govcode_node.providers.licence.ofd import copy_with_mark, verify_ofd
from govcode_node.providers.licence.ofd_container import OfdLimits, resolve
from govcode_node.providers.licence.specimens import document_parts, noise_picture, seal_parts, write_package
from kit.licence_files import BIRTH, NOON, check, house, package, parts, plan, verify_sm2

MIB = 1024 * 1024


def fault_of(data: bytes | io.BytesIO, *, limits: OfdLimits | None = None) -> OfdFault:
    file = data if isinstance(data, io.BytesIO) else io.BytesIO(data)
    with pytest.raises(OfdRefusedError) as caught:
        verify_ofd(file, trust=house().trust(), verify_sm2=verify_sm2, now=NOON, limits=limits or OfdLimits())
    return caught.value.fault


def zipped(entries: list[tuple[str, bytes]]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return target.getvalue()


@pytest.mark.req("N-25")
@pytest.mark.parametrize(
    "name", ["../OFD.xml", "/etc/passwd", "Doc_0/../../x", "Doc_0//x", "./x", "C:/x", "Doc_0\\x", "Doc_0/."]
)
def test_name_that_is_no_plain_path_is_refused(name: str) -> None:
    assert fault_of(zipped([*parts().items(), (name, b"x")])) is OfdFault.BAD_PATH


def test_name_with_an_end_inside_is_refused() -> None:
    """Some programs read a name to its first zero byte, others to its end."""
    data = zipped([*parts().items(), ("Doc_0/x_y", b"x")])
    assert fault_of(data.replace(b"Doc_0/x_y", b"Doc_0/x\x00y")) is OfdFault.BAD_PATH


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("again", ["Doc_0/Document.xml", "doc_0/document.XML"])
def test_name_that_stands_twice_is_refused(again: str) -> None:
    assert fault_of(zipped([*parts().items(), (again, b"x")])) is OfdFault.BAD_PATH


@pytest.mark.parametrize("location", ["../x", "/../x", "a/../../x", "", "a\\b", "x\n", ".", "/"])
def test_location_that_leads_out_is_refused(location: str) -> None:
    with pytest.raises(OfdRefusedError) as caught:
        resolve("", location)
    assert caught.value.fault is OfdFault.BAD_PATH


def test_locations_are_read_from_their_folder_and_from_the_root() -> None:
    assert resolve("Doc_0/Signs", "../Pages/x.xml") == "Doc_0/Pages/x.xml"
    assert resolve("Doc_0", "/OFD.xml") == "OFD.xml"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: b"GIF89a" + data,
        lambda data: data + b"%PDF-1.7",
        lambda data: data[:-22],
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: b"%PDF-1.7 " * 50,
    ],
    ids=["something before", "something behind", "no directory", "half", "empty", "a pdf"],
)
def test_what_is_no_plain_archive_is_refused(spoil: object) -> None:
    assert callable(spoil)
    assert fault_of(spoil(package(parts()).getvalue())) is OfdFault.NOT_OFD


def test_second_directory_in_a_comment_is_refused() -> None:
    target = package(parts())
    with zipfile.ZipFile(target, "a") as archive:
        archive.comment = package({"OFD.xml": b"<other/>"}).getvalue()
    assert fault_of(target) is OfdFault.NOT_OFD


def test_encrypted_and_oddly_packed_entries_are_refused() -> None:
    data = bytearray(package(parts()).getvalue())
    central = data.rindex(b"PK\x01\x02")
    data[central + 8] |= 1
    assert fault_of(bytes(data)) is OfdFault.NOT_OFD
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_BZIP2) as archive:
        for name, content in parts().items():
            archive.writestr(name, content)
    assert fault_of(target) is OfdFault.NOT_OFD


@pytest.mark.req("N-25")
def test_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = zipped([*parts().items(), ("Doc_0/Res/Image.png", bytes(64 * MIB))])
    assert len(bomb) < MIB
    tracemalloc.start()
    try:
        assert fault_of(bomb) is OfdFault.TOO_LARGE
        assert tracemalloc.get_traced_memory()[1] < 4 * MIB
    finally:
        tracemalloc.stop()


def test_bomb_that_lies_about_its_size_is_refused() -> None:
    bomb = bytearray(zipped([("Doc_0/Res/Image.png", bytes(64 * MIB)), *parts().items()]))
    central = bomb.index(b"PK\x01\x02")
    bomb[central + 24 : central + 28] = struct.pack("<L", 1000)
    assert fault_of(bytes(bomb)) in {OfdFault.NOT_OFD, OfdFault.NOT_COVERED}


def test_overlapping_entries_are_refused() -> None:
    """Many names for the same bytes, by which a small archive can expand without end."""
    data = bytearray(package(parts()).getvalue())
    first = data.index(b"PK\x01\x02")
    second = data.index(b"PK\x01\x02", first + 4)
    data[second + 42 : second + 46] = data[first + 42 : first + 46]
    assert fault_of(bytes(data)) is OfdFault.NOT_OFD


def test_too_many_entries_are_refused() -> None:
    many = zipped([*parts().items(), *((f"Doc_0/x{number}", b"") for number in range(50))])
    assert fault_of(many, limits=OfdLimits(entries=20)) is OfdFault.TOO_LARGE
    assert fault_of(many, limits=OfdLimits(directory_bytes=500)) is OfdFault.TOO_LARGE


def test_sixty_four_bit_archive_is_refused() -> None:
    data = bytearray(package(parts()).getvalue())
    data[-14:-10] = b"\xff\xff\xff\xff"
    assert fault_of(bytes(data)) is OfdFault.TOO_LARGE


def test_xml_part_over_its_limit_is_refused() -> None:
    assert fault_of(package(parts()), limits=OfdLimits(xml_bytes=100)) is OfdFault.TOO_LARGE


LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'
    '<ofd:OFD xmlns:ofd="http://www.ofdspec.org/2016">&b;</ofd:OFD>'
)
EXTERNAL = (
    '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]><OFD><DocRoot>&a;</DocRoot></OFD>'
)


@pytest.mark.req("N-25")
@pytest.mark.parametrize(
    "xml",
    [
        LAUGHS,
        EXTERNAL,
        '<!DOCTYPE OFD SYSTEM "http://192.0.2.1/x.dtd"><OFD/>',
        "<OFD>&unknown;</OFD>",
        "<OFD><DocBody></OFD>",
        "<a>" * 200 + "</a>" * 200,
        '<?xml version="1.0" encoding="rot13"?><OFD/>',
        "<OFD/><OFD/>",
        "",
    ],
)
@pytest.mark.parametrize("name", ["OFD.xml", "Doc_0/Signs/Signatures.xml"])
def test_xml_attack_is_refused(name: str, xml: str) -> None:
    content = parts()
    content[name] = xml.encode()
    assert fault_of(package(content)) is OfdFault.BAD_XML


def test_document_type_in_a_page_is_refused_though_the_issuer_sealed_it() -> None:
    unsealed = document_parts(BIRTH)
    unsealed["Doc_0/Pages/Page_0/Content.xml"] = LAUGHS.encode()
    assert fault_of(package(seal_parts(unsealed, plan()))) is OfdFault.BAD_XML


@pytest.mark.req("N-25")
def test_licence_of_more_than_20_mib_is_checked_and_marked_in_flat_memory(tmp_path: Path) -> None:
    random = Random(7)
    pictures = [noise_picture(1024, random_bytes=random.randbytes) for _ in range(24)]
    path, copy = tmp_path / "licence.ofd", tmp_path / "copy.ofd"
    with path.open("wb") as target:
        write_package(seal_parts(document_parts(BIRTH, pages=24, pictures=pictures), plan()), target)
    del pictures
    assert path.stat().st_size > 24 * MIB
    tracemalloc.start()
    try:
        with path.open("rb") as source, copy.open("wb") as target:
            finding = verify_ofd(source, trust=house().trust(), verify_sm2=verify_sm2, now=NOON)
            mark = CopyMark("仅供样例区政务服务中心办理落户使用")
            size = copy_with_mark(source, target, finding=finding, mark=mark)
        assert tracemalloc.get_traced_memory()[1] < 2 * MIB
    finally:
        tracemalloc.stop()
    assert finding.pages == 24
    assert size == copy.stat().st_size
    assert check(io.BytesIO(copy.read_bytes())).marks == (mark,)
