"""What every licence provider keeps, whatever stands behind it: one suite, both adapters (5-03, 5-04, N-22, N-24)."""

import io
from contextlib import aclosing
from typing import Any

import pytest
from govcode_node.domain.digests import sm3
from govcode_node.domain.licenses import (
    License,
    LicenseNotFoundError,
    LicenseSealInvalidError,
    LicenseServiceUnavailableError,
    LicenseStatus,
    Locator,
    LocatorSource,
)
from govcode_node.providers.licence.faults import OfdFault
from kit.clocks import MovableClock
from kit.licence_systems import LicenceSystem

ZHANG = Locator(name="张样例", number="420100198802149916", source=LocatorSource.STORE)
NOBODY = Locator(name="张样例", number="110000199511119959", source=LocatorSource.CASE)
MARK = "仅供北京市政务服务中心办理落户使用 2026-11-24 12:00"


async def fetch(
    system: LicenceSystem, license_type: str = "birth-certificate", *fields: str, document: bool = False
) -> License:
    return await system.provider.fetch(ZHANG, license_type, field_names=fields, document=document)


async def read(system: LicenceSystem, licence: License) -> io.BytesIO:
    file = io.BytesIO()
    async with aclosing(system.provider.read_document(licence)) as pieces:  # type: ignore[type-var]
        async for piece in pieces:
            assert len(piece) <= 1024 * 1024
            file.write(piece)
    return file


async def why_refused(system: LicenceSystem, *fields: str) -> str:
    with pytest.raises(LicenseSealInvalidError) as caught:
        await fetch(system, "birth-certificate", *fields)
    return caught.value.why


@pytest.mark.req("N-22", "5-04")
async def test_places_in_all_regions_are_found(system: LicenceSystem) -> None:
    places = await system.provider.locate(ZHANG, ("driving-licence", "marriage-certificate"))
    assert {(place.license_type, place.license_node) for place in places} == {
        ("driving-licence", "310000"),
        ("driving-licence", "110000"),
        ("marriage-certificate", "310000"),
    }
    assert all("*" in place.masked_number and place.status is LicenseStatus.VALID for place in places)


async def test_nothing_is_found_for_another_number_of_the_same_name(system: LicenceSystem) -> None:
    assert not await system.provider.locate(NOBODY, ("birth-certificate",))
    with pytest.raises(LicenseNotFoundError):
        await system.provider.fetch(NOBODY, "birth-certificate", field_names=("name",), document=False)


@pytest.mark.req("5-04", "6.3-14")
async def test_the_fields_that_were_asked_for_come_and_no_others(system: LicenceSystem) -> None:
    licence = await fetch(system, "birth-certificate", "name", "born", "shoe-size")
    assert licence.fields == {"name": "张样例", "born": "1988-02-14"}
    assert licence.document is None
    assert (licence.holder_name, licence.holder_number) == (ZHANG.name, ZHANG.number)
    assert licence.issuer_name == "样例市卫生健康委员会"


@pytest.mark.req("6.3-14")
async def test_what_comes_beyond_that_is_shown_to_the_step_and_checked_too(system: LicenceSystem) -> None:
    await system.over_return()
    licence = await fetch(system, "birth-certificate", "name")
    assert set(licence.fields) == {"name", "born", "mother"}


async def test_of_several_the_newest_in_force_is_given(system: LicenceSystem) -> None:
    licence = await fetch(system, "birth-certificate", "name")
    assert licence.status is LicenseStatus.VALID
    assert licence.fields["name"] == "张样例"


@pytest.mark.req("N-22")
async def test_licence_of_another_region_is_not_given_here(system: LicenceSystem) -> None:
    licence = await fetch(system, "driving-licence", "class")
    assert licence.fields == {"class": "C1"}
    with pytest.raises(LicenseNotFoundError):
        await fetch(system, "business-licence")


@pytest.mark.req("6.3-15")
async def test_licence_is_expired_after_its_last_day_in_china(system: LicenceSystem, clock: MovableClock) -> None:
    clock.advance(11 * 3600 + 59 * 60)
    assert (await fetch(system, "driving-licence")).status is LicenseStatus.VALID
    clock.advance(60)
    assert (await fetch(system, "driving-licence")).status is LicenseStatus.EXPIRED


@pytest.mark.req("6.3-15")
@pytest.mark.parametrize("status", [LicenseStatus.REVOKED, LicenseStatus.SUSPENDED, LicenseStatus.EXPIRED])
async def test_state_is_what_the_system_says_now(system: LicenceSystem, status: LicenseStatus) -> None:
    await system.say("marriage-certificate", status)
    assert (await fetch(system, "marriage-certificate")).status is status


@pytest.mark.req("N-26")
async def test_licence_filed_wrongly_names_its_true_holder(system: LicenceSystem) -> None:
    """Same name, other number: the step compares, so the provider must not smooth it over."""
    licence = await fetch(system, "graduation-certificate", "name")
    assert licence.holder_name == ZHANG.name
    assert licence.holder_number != ZHANG.number


def forged(field: str, value: str) -> Any:
    def change(held: dict[str, Any]) -> None:
        held["record"][field] = value

    return change


@pytest.mark.req("6.3-15")
@pytest.mark.parametrize(
    "change",
    [
        forged("holder_number", "420100199006209927"),
        forged("holder_name", "李样例"),
        forged("valid_until", "2099-01-01"),
        forged("number", "SPECIMEN-X"),
        lambda held: held["record"]["field_digests"].pop("name", None),
        lambda held: held["seal"].update(signature="AAAA"),
    ],
)
async def test_altered_record_is_refused(system: LicenceSystem, change: Any) -> None:
    await system.alter_records(change)
    assert await why_refused(system) == "SIGNATURE"


@pytest.mark.req("6.3-15")
async def test_altered_field_is_refused(system: LicenceSystem) -> None:
    def change(held: dict[str, Any]) -> None:
        if "born" in held["fields"]:
            held["fields"]["born"]["value"] = "2008-02-14"

    await system.alter_records(change)
    assert await why_refused(system, "born") == "FIELD_ALTERED"


async def test_field_under_another_name_is_refused(system: LicenceSystem) -> None:
    def change(held: dict[str, Any]) -> None:
        if "born" in held["fields"]:
            held["fields"]["born"] = held["fields"].get("mother", held["fields"]["name"])

    await system.alter_records(change)
    assert await why_refused(system, "name", "born", "mother") == "FIELD_ALTERED"


@pytest.mark.req("6.3-15")
async def test_seal_of_an_unknown_issuer_or_in_anothers_name_is_refused(system: LicenceSystem) -> None:
    await system.alter_records(lambda held: held["seal"].update(key_id="0" * 16))
    assert await why_refused(system) == "ISSUER_UNKNOWN"
    await system.alter_records(forged("issuer_name", "样例市民政局"))
    assert await why_refused(system) in {"ISSUER_MISMATCH", "ISSUER_UNKNOWN"}


@pytest.mark.req("N-25", "6.3-15")
async def test_ofd_is_read_checked_and_marked(system: LicenceSystem) -> None:
    licence = await fetch(system, document=True)
    assert licence.document is not None
    file = await read(system, licence)
    assert (len(file.getvalue()), sm3(file.getvalue())) == (licence.document.size, licence.document.digest)
    await system.provider.check_document(licence, file)
    marked = io.BytesIO()
    written = await system.provider.mark_document(licence, file, marked, mark=MARK)
    assert (written.format, written.size) == ("OFD", len(marked.getvalue()))
    assert written.digest == sm3(marked.getvalue())
    with pytest.raises(LicenseSealInvalidError) as caught:
        await system.provider.check_document(licence, marked)
    assert caught.value.why == "DOCUMENT_ALTERED"


async def test_pdf_is_read_checked_by_its_digest_and_stays_as_it_is(system: LicenceSystem) -> None:
    licence = await fetch(system, "marriage-certificate", document=True)
    file, copy = await read(system, licence), io.BytesIO()
    await system.provider.check_document(licence, file)
    assert await system.provider.mark_document(licence, file, copy, mark=MARK) == licence.document
    assert copy.getvalue() == file.getvalue()
    assert file.getvalue().startswith(b"%PDF-")


@pytest.mark.req("6.3-15")
@pytest.mark.parametrize("license_type", ["birth-certificate", "marriage-certificate"])
async def test_altered_document_is_refused_and_never_marked(system: LicenceSystem, license_type: str) -> None:
    await system.alter_documents(lambda content: content[:-100] + b"x" + content[-99:])
    licence = await fetch(system, license_type, document=True)
    file = await read(system, licence)
    with pytest.raises(LicenseSealInvalidError) as caught:
        await system.provider.check_document(licence, file)
    assert caught.value.why == "DOCUMENT_ALTERED"
    marked = io.BytesIO()
    with pytest.raises(LicenseSealInvalidError):
        await system.provider.mark_document(licence, file, marked, mark=MARK)
    assert marked.getvalue() == b""


@pytest.mark.req("N-25")
async def test_document_whose_seal_has_run_out_is_refused(system: LicenceSystem, clock: MovableClock) -> None:
    licence = await fetch(system, document=True)
    file = await read(system, licence)
    clock.advance(3651 * 24 * 3600)
    with pytest.raises(LicenseSealInvalidError) as caught:
        await system.provider.check_document(licence, file)
    assert caught.value.why == OfdFault.SEAL_EXPIRED.value


@pytest.mark.req("5-04")
async def test_system_that_is_away_is_said_to_be_away(system: LicenceSystem) -> None:
    licence = await fetch(system, document=True)
    await system.go_away()
    with pytest.raises(LicenseServiceUnavailableError) as caught:
        await system.provider.locate(ZHANG, ("birth-certificate",))
    assert caught.value.node_id == "310000"
    assert caught.value.retry_after_seconds > 0
    with pytest.raises(LicenseServiceUnavailableError):
        await fetch(system)
    with pytest.raises(LicenseServiceUnavailableError):
        await read(system, licence)


async def test_no_value_shows_a_holder_when_it_is_printed(system: LicenceSystem) -> None:
    licence = await fetch(system, "birth-certificate", "name", "born")
    shown = repr(licence) + repr(ZHANG) + repr(await system.provider.locate(ZHANG, ("birth-certificate",)))
    assert not [secret for secret in (ZHANG.name, ZHANG.number, "1988-02-14") if secret in shown]
