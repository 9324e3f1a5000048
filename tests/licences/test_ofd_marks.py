"""A marked copy (加注) says for what it was handed out, and its seal still holds."""

import io
import zipfile

import pytest
from govcode_node.domain.errors import InvalidFieldError
from govcode_node.providers.licence.faults import OfdFault, OfdRefusedError
from govcode_node.providers.licence.marks import MAX_MARKS, CopyMark
from govcode_node.providers.licence.ofd import copy_with_mark
from govcode_node.providers.licence.specimens import SpecimenText, document_parts, seal_parts
from kit.licence_files import check, package, parts, plan

MARK = CopyMark('仅供上海市样例区政务服务中心办理 <"A&B"> 使用 2026-11-24')


class WriteOnly(io.RawIOBase):
    """A target that can neither be read nor sought in, such as a pipe."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object, /) -> int:
        assert isinstance(data, bytes)
        self.written += data
        return len(data)


def marked(source: io.BytesIO, mark: CopyMark = MARK) -> io.BytesIO:
    target = WriteOnly()
    size = copy_with_mark(source, target, finding=check(source), mark=mark)  # type: ignore[arg-type]
    assert size == len(target.written)
    return io.BytesIO(bytes(target.written))


def fault_of(content: dict[str, bytes]) -> OfdFault:
    with pytest.raises(OfdRefusedError) as caught:
        check(content)
    return caught.value.fault


def unzipped(file: io.BytesIO) -> dict[str, bytes]:
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.req("N-25")
def test_marked_copy_keeps_its_seal_and_tells_its_marks_in_order() -> None:
    second = CopyMark("仅供样例小学办理入学使用 2026-11-25")
    copy = marked(marked(package(parts())), second)
    finding = check(copy)
    assert finding.marks == (MARK, second)
    assert finding.issuer_seal == check(parts()).issuer_seal


@pytest.mark.req("N-25")
def test_marking_keeps_every_byte_of_what_was_sealed() -> None:
    source = package(parts())
    before, after = unzipped(source), unzipped(marked(source))
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {"Marks/Mark_1.xml"}


def test_other_programs_find_the_mark_sound() -> None:
    with zipfile.ZipFile(marked(package(parts()))) as archive:
        assert archive.testzip() is None
        assert "上海市样例区政务服务中心" in archive.read("Marks/Mark_1.xml").decode()


def test_altered_page_of_a_marked_copy_is_refused() -> None:
    content = unzipped(marked(package(parts())))
    content["Doc_0/Pages/Page_0/Content.xml"] += b" "
    assert fault_of(content) is OfdFault.CONTENT_CHANGED


@pytest.mark.req("N-25")
def test_mark_of_another_licence_is_refused() -> None:
    other = seal_parts(document_parts(SpecimenText(title="驾驶证", lines=())), plan())
    content = parts()
    content["Marks/Mark_1.xml"] = unzipped(marked(package(other)))["Marks/Mark_1.xml"]
    assert fault_of(content) is OfdFault.BAD_MARK


@pytest.mark.parametrize("name", ["Marks/page.xml", "marks/Mark_1.xml", "Marks/Mark_0.xml", "Marks/Mark_1.xml/x"])
def test_other_file_in_the_folder_of_the_marks_is_refused(name: str) -> None:
    assert fault_of(parts() | {name: b"<Mark/>"}) is OfdFault.BAD_MARK


@pytest.mark.parametrize("change", [("Text=", "Other="), ("仅供", "\t"), ('Seal="', 'Seal="0'), ("<Mark ", "<mark ")])
def test_malformed_mark_is_refused(change: tuple[str, str]) -> None:
    content = unzipped(marked(package(parts())))
    content["Marks/Mark_1.xml"] = content["Marks/Mark_1.xml"].replace(change[0].encode(), change[1].encode(), 1)
    assert fault_of(content) is OfdFault.BAD_MARK


def test_mark_that_was_taken_out_of_a_row_is_refused() -> None:
    content = unzipped(marked(marked(package(parts()))))
    del content["Marks/Mark_1.xml"]
    assert fault_of(content) is OfdFault.BAD_MARK


def test_long_mark_is_refused() -> None:
    assert fault_of(parts() | {"Marks/Mark_1.xml": b"<Mark>" + b" " * 9000 + b"</Mark>"}) is OfdFault.BAD_MARK


def test_marks_are_not_without_end() -> None:
    file = package(parts())
    for _ in range(MAX_MARKS):
        file = marked(file)
    with pytest.raises(OfdRefusedError) as caught:
        marked(file)
    assert caught.value.fault is OfdFault.BAD_MARK


def test_same_mark_on_the_same_licence_gives_the_same_bytes() -> None:
    assert marked(package(parts())).getvalue() == marked(package(parts())).getvalue()


@pytest.mark.parametrize("text", ["", "x" * 1001, "a\nb", " x"])
def test_mark_without_sense_is_not_made(text: str) -> None:
    with pytest.raises(InvalidFieldError):
        CopyMark(text)
