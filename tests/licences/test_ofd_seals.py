"""A licence as an OFD file is believed only where the issuer's seal holds over all of it (GB/T 33190, GB/T 38540)."""

import dataclasses
import io
import itertools
import tracemalloc
from collections.abc import Callable
from datetime import timedelta

import pytest
from asn1crypto import core
from govcode_node.providers.licence.faults import OfdFault, OfdRefusedError
from govcode_node.providers.licence.seals import SealTrust
from govcode_node.providers.licence.ses_asn1 import SesSignature
from govcode_node.providers.licence.specimen_keys import issue_certificate
from govcode_node.providers.licence.specimens import (
    SEAL,
    SIGNATURE,
    SIGNATURES,
    SIGNED_VALUE,
    SpecimenText,
    document_parts,
    make_seal,
    seal_parts,
    use_seal,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from kit.licence_files import BIRTH, ISSUER, NOON, KitKey, check, house, package, parts, plan

PAGE = "Doc_0/Pages/Page_0/Content.xml"
Parts = dict[str, bytes]


def fault_of(content: Parts | io.BytesIO, **options: object) -> OfdFault:
    with pytest.raises(OfdRefusedError) as caught:
        check(content, **options)  # type: ignore[arg-type]
    return caught.value.fault


def sealed_by(name: str = ISSUER, **changes: object) -> Parts:
    """A licence that another plan sealed."""
    changed = dataclasses.replace(plan(), house=house(name), **changes)
    return seal_parts(document_parts(BIRTH, pages=2), changed)


@pytest.mark.req("6.3-15", "N-25")
def test_sealed_licence_is_believed_and_says_by_whom() -> None:
    finding = check(parts(pages=3))
    assert finding.pages == 3
    assert finding.issuer_seal.organisation == ISSUER
    assert finding.issuer_seal.seal_id == "SPECIMEN-0001"
    assert finding.issuer_seal.sealed_at == NOON
    assert [seal.covers_all for seal in finding.seals] == [True]
    assert finding.marks == ()


def test_seal_that_lists_digests_of_its_users_is_believed() -> None:
    assert check(sealed_by(by_digest=True)).pages == 2


@pytest.mark.req("6.3-15", "N-25")
@pytest.mark.parametrize("name", ["OFD.xml", "Doc_0/Document.xml", "Doc_0/PublicRes.xml", PAGE, SIGNATURE])
def test_altered_part_is_refused(name: str) -> None:
    content = parts()
    content[name] = content[name].replace(b"<ofd:", b" <ofd:", 1)
    assert fault_of(content) is OfdFault.CONTENT_CHANGED


@pytest.mark.req("N-25")
def test_altered_page_is_refused() -> None:
    content = parts()
    content[PAGE] = content[PAGE].replace("张样例".encode(), "李样例".encode())
    assert fault_of(content) is OfdFault.CONTENT_CHANGED


@pytest.mark.req("N-25")
def test_added_page_is_refused_even_where_nothing_shows_it() -> None:
    content = parts()
    content["Doc_0/Pages/Page_2/Content.xml"] = content[PAGE]
    assert fault_of(content) is OfdFault.NOT_COVERED


@pytest.mark.req("N-25")
def test_added_page_that_the_document_shows_is_refused() -> None:
    content = parts()
    content["Doc_0/Pages/Page_2/Content.xml"] = content[PAGE]
    more = b'<ofd:Page ID="999" BaseLoc="Pages/Page_2/Content.xml"/></ofd:Pages>'
    content["Doc_0/Document.xml"] = content["Doc_0/Document.xml"].replace(b"</ofd:Pages>", more)
    assert fault_of(content) is OfdFault.CONTENT_CHANGED


@pytest.mark.req("N-25")
def test_added_page_with_a_rewritten_list_is_refused() -> None:
    """The whole forger's work, but for the seal: document, page and list agree with each other."""
    forged = seal_parts(document_parts(BIRTH, pages=3), dataclasses.replace(plan(), house=house("伪造者")))
    forged |= {name: parts()[name] for name in (SEAL, SIGNED_VALUE)}
    assert fault_of(forged) is OfdFault.CONTENT_CHANGED


@pytest.mark.parametrize("name", ["Doc_0/Document.xml", PAGE, SIGNATURE, SIGNED_VALUE, SEAL, SIGNATURES])
def test_missing_part_is_refused(name: str) -> None:
    content = parts()
    del content[name]
    assert fault_of(content) is OfdFault.CONTENT_CHANGED


@pytest.mark.req("N-25")
def test_seal_of_another_file_is_refused() -> None:
    other = seal_parts(document_parts(SpecimenText(title="驾驶证", lines=("姓名 王样例",))), plan())
    content = parts() | {name: other[name] for name in (SEAL, SIGNED_VALUE)}
    assert fault_of(content) is OfdFault.CONTENT_CHANGED


@pytest.mark.req("N-25")
def test_swapped_picture_of_the_seal_is_refused() -> None:
    content = parts()
    content[SEAL] = bytes(make_seal(dataclasses.replace(plan(), seal_name="另一个机构专用章")).dump())
    assert fault_of(content) is OfdFault.SEAL_MISMATCH


@pytest.mark.req("N-25")
def test_seal_swapped_inside_the_signature_is_refused() -> None:
    """The signer's own signature stays, the seal in it becomes another of the same maker."""
    content = parts()
    other = bytes(make_seal(dataclasses.replace(plan(), seal_id="SPECIMEN-0002")).dump())
    own = content[SEAL]
    assert len(own) == len(other) or abs(len(own) - len(other)) < 4
    value = content[SIGNED_VALUE].replace(b"SPECIMEN-0001", b"SPECIMEN-0002")
    content[SIGNED_VALUE], content[SEAL] = value, own.replace(b"SPECIMEN-0001", b"SPECIMEN-0002")
    assert fault_of(content) is OfdFault.SEAL_BROKEN


def test_borrowed_seal_of_another_user_is_refused() -> None:
    """Somebody with a good certificate of the same authority uses a seal that does not list it."""
    usual = house()
    thief = issue_certificate(
        "他人",
        organisation="他人",
        key=KitKey(),
        issuer=usual.authority,
        not_before_at=NOON - timedelta(days=1),
        not_after_at=NOON + timedelta(days=1),
    )
    content = parts()
    seal = make_seal(plan())
    thiefs = dataclasses.replace(plan(), house=dataclasses.replace(usual, signer=thief))
    content[SEAL] = bytes(seal.dump())
    content[SIGNED_VALUE] = use_seal(seal, thiefs, listing=content[SIGNATURE], location=f"/{SIGNATURE}")
    assert fault_of(content) is OfdFault.SEAL_MISMATCH


def test_seal_on_another_list_is_refused() -> None:
    content = parts()
    seal = make_seal(plan())
    content[SEAL] = bytes(seal.dump())
    content[SIGNED_VALUE] = use_seal(seal, plan(), listing=content[SIGNATURE], location="/Doc_0/Signs/other.xml")
    assert fault_of(content) is OfdFault.SEAL_MISMATCH


@pytest.mark.req("6.3-15")
def test_whole_licence_of_an_unknown_house_is_refused() -> None:
    assert fault_of(sealed_by("伪造者")) is OfdFault.MAKER_UNTRUSTED


@pytest.mark.req("6.3-15")
def test_trusted_maker_with_a_signer_of_an_unknown_authority_is_refused() -> None:
    trust = dataclasses.replace(house().trust(), authorities=house("伪造者").trust().authorities)
    assert fault_of(parts(), trust=trust) is OfdFault.SIGNER_UNTRUSTED


def test_authority_of_the_same_name_with_another_key_is_refused() -> None:
    usual, other = house(), house("伪造者")
    assert usual.authority.name == other.authority.name
    trust = SealTrust.of(makers=[usual.maker.der], authorities=[other.authority.der])
    assert fault_of(parts(), trust=trust) is OfdFault.SIGNER_UNTRUSTED


def test_trust_in_nobody_believes_nothing() -> None:
    assert fault_of(parts(), trust=SealTrust(makers=frozenset(), authorities=())) is OfdFault.MAKER_UNTRUSTED


@pytest.mark.req("6.3-15", "N-25")
@pytest.mark.parametrize("whose", ["maker", "signer"])
def test_revoked_certificate_is_refused(whose: str) -> None:
    facts = check(parts()).issuer_seal
    trust = dataclasses.replace(house().trust(), revoked=frozenset({getattr(facts, f"{whose}_thumbprint")}))
    assert fault_of(parts(), trust=trust) is OfdFault.REVOKED


@pytest.mark.req("6.3-15")
def test_revoked_seal_is_refused() -> None:
    trust = dataclasses.replace(house().trust(), revoked_seals=frozenset({"SPECIMEN-0001"}))
    assert fault_of(parts(), trust=trust) is OfdFault.REVOKED


@pytest.mark.req("6.3-15", "N-25")
def test_seal_used_after_its_end_is_refused() -> None:
    content = sealed_by(valid_end_at=NOON - timedelta(minutes=1))
    assert fault_of(content) is OfdFault.SEAL_EXPIRED


@pytest.mark.req("6.3-15", "N-25")
def test_seal_that_ran_out_since_is_refused_unless_its_time_is_honoured() -> None:
    later = NOON + timedelta(days=181)
    assert fault_of(parts(), now=later) is OfdFault.SEAL_EXPIRED
    assert check(parts(), trust=house().trust(honours_sealing_time=True), now=later).pages == 2


def test_certificates_that_ran_out_since_are_refused() -> None:
    content = sealed_by(valid_end_at=NOON + timedelta(days=4000))
    assert check(content, now=NOON + timedelta(days=363)).pages == 2
    assert fault_of(content, now=NOON + timedelta(days=366)) is OfdFault.SEAL_EXPIRED


def test_seal_used_before_its_time_or_in_the_future_is_refused() -> None:
    assert fault_of(sealed_by(valid_start_at=NOON + timedelta(minutes=1))) is OfdFault.SEAL_EXPIRED
    assert fault_of(parts(), now=NOON - timedelta(minutes=6)) is OfdFault.SEAL_EXPIRED
    assert check(parts(), now=NOON - timedelta(minutes=4)).pages == 2


def test_certificate_that_is_not_for_signatures_is_refused() -> None:
    usual = house()
    enciphers = issue_certificate(
        "只能加密",
        organisation=ISSUER,
        key=KitKey(),
        issuer=usual.authority,
        not_before_at=NOON - timedelta(days=1),
        not_after_at=NOON + timedelta(days=1),
        usage=frozenset({"key_encipherment"}),
    )
    wrong = dataclasses.replace(plan(), house=dataclasses.replace(usual, signer=enciphers))
    assert fault_of(seal_parts(document_parts(BIRTH), wrong)) is OfdFault.SEAL_MISMATCH


@pytest.mark.req("N-25")
def test_file_without_a_seal_is_refused() -> None:
    bare = document_parts(BIRTH)
    assert fault_of(bare) is OfdFault.CONTENT_CHANGED
    bare["OFD.xml"] = bare["OFD.xml"].replace(b"<ofd:Signatures>Doc_0/Signs/Signatures.xml</ofd:Signatures>", b"")
    assert fault_of(bare) is OfdFault.NOT_SEALED


def test_empty_list_of_seals_is_refused() -> None:
    content = parts()
    content[SIGNATURES] = b'<ofd:Signatures xmlns:ofd="http://www.ofdspec.org/2016"/>'
    assert fault_of(content) is OfdFault.NOT_SEALED


def test_seal_over_a_part_of_the_document_is_refused() -> None:
    whole = document_parts(BIRTH, pages=2)
    some = {name: content for name, content in whole.items() if name != PAGE}
    assert fault_of(seal_parts(some, plan()) | whole) is OfdFault.NOT_COVERED


def test_seal_over_nothing_is_refused() -> None:
    assert fault_of(seal_parts({}, plan()) | document_parts(BIRTH)) is OfdFault.NOT_COVERED


def test_two_seals_that_cover_a_part_each_make_no_whole() -> None:
    whole = document_parts(BIRTH, pages=2)
    first = seal_parts({name: whole[name] for name in whole if name != PAGE}, plan())
    second = seal_parts({PAGE: whole[PAGE]}, plan())
    renamed = {
        name.replace("Sign_0", "Sign_1"): content.replace(b"Sign_0", b"Sign_1")
        for name, content in second.items()
        if "Sign_0/Signature.xml" in name
    }
    listing = renamed["Doc_0/Signs/Sign_1/Signature.xml"]
    seal = make_seal(plan())
    renamed["Doc_0/Signs/Sign_1/Seal.esl"] = bytes(seal.dump())
    location = "/Doc_0/Signs/Sign_1/Signature.xml"
    renamed["Doc_0/Signs/Sign_1/SignedValue.dat"] = use_seal(seal, plan(), listing=listing, location=location)
    entry = f'<ofd:Signature ID="2" Type="Seal" BaseLoc="{location}"/></ofd:Signatures>'.encode()
    both = whole | first | renamed
    both[SIGNATURES] = both[SIGNATURES].replace(b"</ofd:Signatures>", entry)
    assert fault_of(both) is OfdFault.NOT_COVERED


@pytest.mark.parametrize("method", [b"MD5", b"SHA1", b""])
def test_list_of_weak_digests_is_refused(method: bytes) -> None:
    content = parts()
    content[SIGNATURE] = content[SIGNATURE].replace(b"1.2.156.10197.1.401", method)
    seal = make_seal(plan())
    content[SEAL] = bytes(seal.dump())
    content[SIGNED_VALUE] = use_seal(seal, plan(), listing=content[SIGNATURE], location=f"/{SIGNATURE}")
    assert fault_of(content) is OfdFault.SEAL_UNSUPPORTED


def test_signature_that_is_no_seal_is_refused() -> None:
    content = parts()
    content[SIGNATURES] = content[SIGNATURES].replace(b'Type="Seal"', b'Type="Sign"')
    assert fault_of(content) is OfdFault.SEAL_UNSUPPORTED


def test_second_document_under_one_seal_is_refused() -> None:
    unsealed = document_parts(BIRTH)
    body = unsealed["OFD.xml"].partition(b"<ofd:DocBody>")[2].partition(b"</ofd:OFD>")[0]
    unsealed["OFD.xml"] = unsealed["OFD.xml"].replace(b"</ofd:OFD>", b"<ofd:DocBody>" + body + b"</ofd:OFD>")
    assert fault_of(seal_parts(unsealed, plan())) is OfdFault.NOT_OFD


def test_page_that_shows_a_file_of_the_seal_is_refused() -> None:
    """What no seal covers may not be drawn, even where the issuer's own document asks for it."""
    unsealed = document_parts(BIRTH)
    unsealed["Doc_0/Document.xml"] = unsealed["Doc_0/Document.xml"].replace(
        b"</ofd:Document>", f"<ofd:Annotations>/{SIGNATURES}</ofd:Annotations></ofd:Document>".encode()
    )
    assert fault_of(seal_parts(unsealed, plan())) is OfdFault.NOT_COVERED


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_no_changed_byte_of_any_part_is_believed(data: st.DataObject) -> None:
    content = parts()
    name = data.draw(st.sampled_from(sorted(set(content) - {SIGNATURES})))
    at = data.draw(st.integers(0, len(content[name]) - 1))
    changed = bytearray(content[name])
    changed[at] ^= data.draw(st.integers(1, 255))
    content[name] = bytes(changed)
    with pytest.raises(OfdRefusedError):
        check(content)


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_damaged_package_is_refused_or_the_same_licence(data: st.DataObject) -> None:
    good = package(parts()).getvalue()
    changed = bytearray(good)
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    try:
        finding = check(io.BytesIO(bytes(changed)))
    except OfdRefusedError:
        return
    assert finding.list_digest == check(io.BytesIO(good)).list_digest


@given(data=st.binary(max_size=400))
@settings(max_examples=100, deadline=None)
def test_garbage_as_a_seal_is_refused(data: bytes) -> None:
    content = parts()
    content[SIGNED_VALUE] = data
    assert fault_of(content) is OfdFault.SEAL_BROKEN


@pytest.mark.parametrize("tail", [b"\x05\x00" * 400_000, b"\x30\x80" * 400_000])
def test_seal_with_endless_lists_is_refused_before_they_are_parsed(tail: bytes) -> None:
    value = SesSignature.load(parts()[SIGNED_VALUE])
    value["to_sign"]["eseal"]["seal_info"]["property"]["cert_list"] = core.Any(core.Sequence(contents=tail))
    content = parts() | {SIGNED_VALUE: value.dump(force=True)}
    tracemalloc.start()
    try:
        assert fault_of(content) is OfdFault.SEAL_BROKEN
        assert tracemalloc.get_traced_memory()[1] < 16 * 1024 * 1024
    finally:
        tracemalloc.stop()


def without(content: Parts, name: str) -> Parts:
    return {each: value for each, value in content.items() if each != name}


@pytest.mark.parametrize("spoil", [lambda p: without(p, "OFD.xml"), lambda _: {"a.txt": b"no licence"}])
def test_other_archives_are_no_licences(spoil: Callable[[Parts], Parts]) -> None:
    assert fault_of(spoil(parts())) is OfdFault.NOT_OFD


def test_faults_are_told_apart() -> None:
    assert all(first.value != second.value for first, second in itertools.combinations(OfdFault, 2))
