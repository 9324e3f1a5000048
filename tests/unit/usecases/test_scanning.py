"""Scanning here: one decision, one record, one notice; the serial is remembered, and the answer is proved."""

import asyncio
from datetime import timedelta

import pytest
from govcode_node.domain.audit import AuditAction
from govcode_node.domain.callers import Caller, DeviceUnknownError
from govcode_node.domain.codes import CodeProfile
from govcode_node.domain.disclosure import DisclosedField, FieldName, FieldRule
from govcode_node.domain.errors import OverloadedError, SerialConflictError, StoreUnavailableError
from govcode_node.domain.events import CodeScanned
from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.domain.identities import CallerClass
from govcode_node.domain.keys import KeyPurpose, KeyUnavailableError
from govcode_node.domain.outcomes import Outcome
from govcode_node.domain.parties import RegistrationState
from govcode_node.domain.recognition import EvidenceRefusedError
from govcode_node.domain.scans import ScanAct, ScanAnswer
from kit.clocks import MovableClock
from kit.federation_in_memory import FederationInMemory, NodeInMemory, parse
from kit.people_in_memory import (
    TRACE,
    Counter,
    MobileApp,
    OperatorDesk,
    call_of,
    furnish,
    masked,
    person,
)


@pytest.mark.req("6.1-10")
async def test_the_answer_is_signed_by_the_node_and_says_what_was_asked(
    federation: FederationInMemory, app: MobileApp, counter: Counter, clock: MovableClock
) -> None:
    federation.publish()
    code = await (await app.open_account()).present()

    result = await counter.scan(code, biz_serial="one", place="2 号窗口")

    read = await counter.node.reader.read(
        result.evidence, purpose=EvidencePurpose.SCAN_ANSWER, kind=ScanAnswer, signer="110000"
    )
    assert read.statement == result.answer
    answer = result.answer
    assert (answer.biz_serial, answer.app_id, answer.act) == ("one", "counter-app", ScanAct.SCAN)
    assert (answer.outcome, answer.code_id) == (Outcome.VALID, code.code.code_id)
    assert (answer.decided_by, answer.home_region, answer.cross_region) == ("110000", "110000", False)
    assert (answer.decided_at, answer.valid_until) == (clock.now(), clock.now() + timedelta(seconds=60))
    assert (result.home_region_name, result.home_evidence, result.replayed) == ("北京市", b"", False)
    with pytest.raises(EvidenceRefusedError):
        await counter.node.reader.read(
            result.evidence[:-1] + bytes([result.evidence[-1] ^ 1]),
            purpose=EvidencePurpose.SCAN_ANSWER,
            kind=ScanAnswer,
        )


@pytest.mark.req("6.1-10", "7.5-03")
async def test_organisations_know_one_holder_by_different_ids_which_stay(
    app: MobileApp, counter: Counter, other_counter: Counter, desk: OperatorDesk
) -> None:
    holder, other_holder = await app.open_account(), await app.open_account(person("李示范"))
    await desk.application("second-counter", party_id=counter.party_id)
    second = Counter(counter.node, "second-counter", counter.party_id, counter.uscc)

    async def id_at(where: Counter, whom: object = holder) -> str:
        code = await whom.present(one_time=True)  # type: ignore[attr-defined]
        return (await where.scan(code)).answer.pairwise_id

    here = await id_at(counter)
    assert here == await id_at(counter)
    assert here == await id_at(second)
    assert here != await id_at(other_counter)
    assert here != await id_at(counter, other_holder)
    assert holder.account.account_id not in here


@pytest.mark.req("6.1-06")
async def test_one_time_code_is_valid_once_among_a_hundred_scans_at_once(federation: FederationInMemory) -> None:
    node = federation.add("110000", prefixes=("11",), gather=True)
    counter = await furnish(node)
    code = await (await MobileApp(node).open_account()).present(one_time=True)

    results = await asyncio.gather(*(counter.scan(code) for _ in range(100)))

    outcomes = [result.answer.outcome for result in results]
    assert outcomes.count(Outcome.VALID) == 1
    assert outcomes.count(Outcome.CONSUMED) == 99
    assert max(node.database.batches) == 100


@pytest.mark.req("6.1-06")
async def test_signed_one_time_code_is_valid_once_among_many(federation: FederationInMemory) -> None:
    node = federation.add("110000", prefixes=("11",), gather=True)
    counter = await furnish(node)
    code = await (await MobileApp(node).open_account()).present(one_time=True, profile=CodeProfile.SIGNED)

    results = await asyncio.gather(*(counter.scan(code) for _ in range(20)))

    assert sorted(result.answer.outcome for result in results) == [Outcome.CONSUMED] * 19 + [Outcome.VALID]


@pytest.mark.req("6.1-07", "N-51")
@pytest.mark.parametrize("later", [timedelta(0), timedelta(seconds=61), timedelta(hours=23)])
async def test_a_scan_repeated_with_its_serial_has_the_same_answer(
    app: MobileApp, counter: Counter, clock: MovableClock, desk: OperatorDesk, later: timedelta
) -> None:
    code = await (await app.open_account()).present(one_time=True)
    first = await counter.scan(code, biz_serial="one")
    clock.advance(later)

    again = await counter.scan(code, biz_serial="one")

    assert again.answer == first.answer
    assert (first.replayed, again.replayed) == (False, True)
    assert len(await desk.audit(AuditAction.CODE_SCANNED)) == 1


@pytest.mark.req("6.1-07", "N-51")
async def test_a_serial_used_for_another_code_is_a_conflict_and_uses_nothing_up(
    app: MobileApp, counter: Counter
) -> None:
    holder = await app.open_account()
    first, second = await holder.present(one_time=True), await holder.present()
    await counter.scan(first, biz_serial="one")

    with pytest.raises(SerialConflictError):
        await counter.scan(second, biz_serial="one")

    assert (await holder.present_fully())[0].reused


@pytest.mark.req("N-51")
async def test_serials_of_other_callers_and_acts_do_not_meet(
    app: MobileApp, counter: Counter, other_counter: Counter
) -> None:
    code = await (await app.open_account()).present()

    scanned = await counter.scan(code, biz_serial="one")
    verified = await counter.verify(code, biz_serial="one")
    elsewhere = await other_counter.scan(code, biz_serial="one")

    assert [result.replayed for result in (scanned, verified, elsewhere)] == [False, False, False]
    assert len({result.answer.scan_id for result in (scanned, verified, elsewhere)}) == 3


@pytest.mark.req("N-51")
async def test_equal_scans_at_once_are_one_scan(federation: FederationInMemory) -> None:
    node = federation.add("110000", prefixes=("11",), gather=True)
    counter = await furnish(node)
    holder = await MobileApp(node).open_account()
    code = await holder.present(one_time=True)

    results = await asyncio.gather(*(counter.scan(code, biz_serial="one") for _ in range(10)))

    assert {result.answer.outcome for result in results} == {Outcome.VALID}
    assert len({result.answer.scan_id for result in results}) == 1
    assert [result.replayed for result in results].count(False) == 1
    assert len(await holder.records()) == 1


async def test_a_lost_signature_does_not_lose_the_scan(
    federation: FederationInMemory, app: MobileApp, counter: Counter
) -> None:
    code = await (await app.open_account()).present(one_time=True)
    counter.node.lose_keys(KeyPurpose.NODE_SIGN)
    with pytest.raises(KeyUnavailableError):
        await counter.scan(code, biz_serial="one")
    counter.node.key_store.generate(KeyPurpose.NODE_SIGN, owner="110000")
    counter.node.keyring.reload()

    again = await counter.scan(code, biz_serial="one")

    assert (again.answer.outcome, again.replayed) == (Outcome.VALID, True)


@pytest.mark.parametrize("fault", [StoreUnavailableError("test"), OverloadedError("store")])
async def test_a_store_that_is_down_makes_no_code_good_and_uses_none_up(
    app: MobileApp, counter: Counter, fault: OverloadedError | StoreUnavailableError
) -> None:
    code = await (await app.open_account()).present(one_time=True)
    counter.node.database.fault = fault

    with pytest.raises(type(fault)):
        await counter.scan(code, biz_serial="one")

    counter.node.database.fault = None
    assert (await counter.scan(code, biz_serial="one")).answer.outcome is Outcome.VALID


async def test_what_a_scanner_mangles_is_read_and_the_digest_is_of_what_was_read(
    app: MobileApp, counter: Counter
) -> None:
    code = await (await app.open_account()).make_static()

    answer = (await counter.scan(f"]Q1{code.code_text.lower()}\r\n")).answer
    plain = (await counter.scan(code)).answer

    assert (answer.outcome, plain.outcome) == (Outcome.VALID, Outcome.VALID)
    assert answer.code_text_digest != plain.code_text_digest


@pytest.mark.req("6.1-09")
async def test_the_holders_back_end_is_told_of_a_valid_scan_and_of_no_other(
    app: MobileApp, counter: Counter, desk: OperatorDesk
) -> None:
    await desk.scanner("gate-1", app_id="counter-app", place="东门")
    holder = await app.open_account()
    code = await holder.present(one_time=True)
    feed = counter.node.steps.feed
    watch = call_of(app.caller, "WatchEvents")
    begun = await feed.list_events(watch, cursor="", page_size=10, wait=timedelta())

    await counter.verify(code)
    result = await counter.scan(code, device_id="gate-1")
    await counter.scan(code)

    page = await feed.list_events(watch, cursor=begun.cursor, page_size=10, wait=timedelta())
    (event,) = page.events
    assert event.kind == CodeScanned(
        code_id=code.code.code_id,
        scan_id=result.answer.scan_id,
        outcome="VALID",
        relying_party_name="政务服务中心",
        place="东门",
        scene_class=event.kind.scene_class,  # type: ignore[union-attr]
        visited_node="110000",
    )
    assert event.account_id == holder.account.account_id


@pytest.mark.req("7.4-03")
async def test_a_scanner_with_its_own_certificate_acts_for_its_application(
    app: MobileApp, counter: Counter, desk: OperatorDesk
) -> None:
    await desk.scanner("gate-1", app_id="counter-app", place="东门")
    gate = Caller(caller_class=CallerClass.SCANNER, name="gate-1")
    holder = await app.open_account()
    code = await holder.present(one_time=True)

    answer = (await counter.scan(code, caller=gate, biz_serial="one")).answer

    assert (answer.outcome, answer.app_id) == (Outcome.VALID, "counter-app")
    (row,) = await holder.records()
    assert (row.device_id, row.place, row.caller) == ("gate-1", "东门", "app:counter-app")


@pytest.mark.req("7.4-03")
async def test_a_device_of_another_application_is_refused(
    app: MobileApp, counter: Counter, other_counter: Counter, desk: OperatorDesk
) -> None:
    await desk.scanner("gate-1", app_id="counter-app")
    code = await (await app.open_account()).present()

    with pytest.raises(DeviceUnknownError):
        await other_counter.scan(code, device_id="gate-1")

    assert (await counter.scan(code, device_id="gate-1")).answer.outcome is Outcome.VALID


@pytest.mark.req("7.4-03")
async def test_a_device_that_was_closed_scans_no_more(app: MobileApp, counter: Counter, desk: OperatorDesk) -> None:
    await desk.scanner("gate-1", app_id="counter-app")
    await desk.move_scanner("gate-1", RegistrationState.CLOSED)
    gate = Caller(caller_class=CallerClass.SCANNER, name="gate-1")
    code = await (await app.open_account()).present()

    with pytest.raises(Exception, match="CLOSED"):
        await counter.scan(code, caller=gate)


@pytest.mark.req("7.2-11")
@pytest.mark.parametrize(
    ("rule", "value"),
    [
        (FieldRule(FieldName.NAME), "张**"),
        (FieldRule(FieldName.NAME, unmasked=True), "张样例"),
        (FieldRule(FieldName.ID_NUMBER), "4****************6"),
        (FieldRule(FieldName.ID_NUMBER, unmasked=True), "420100198802149916"),
        (FieldRule(FieldName.PHONE), "100******01"),
        (FieldRule(FieldName.PHONE, unmasked=True), "10000000001"),
    ],
)
async def test_a_scene_shows_the_fields_of_its_rules_masked_unless_they_say_otherwise(
    node: NodeInMemory, app: MobileApp, rule: FieldRule, value: str
) -> None:
    counter = await furnish(node, fields=(rule,))
    code = await (await app.open_account()).present()

    answer = (await counter.scan(code)).answer

    assert answer.fields == (DisclosedField(name=rule.name, value=value, masked="*" in value),)


async def test_a_verification_discloses_nothing(node: NodeInMemory, app: MobileApp) -> None:
    counter = await furnish(node, fields=masked(FieldName.NAME))
    code = await (await app.open_account()).present()

    answer = (await counter.verify(code)).answer

    assert (answer.outcome, answer.fields) == (Outcome.VALID, ())


@pytest.mark.req("7.2-11")
async def test_the_static_code_of_a_person_is_always_masked_and_that_of_a_company_is_not(
    node: NodeInMemory, app: MobileApp
) -> None:
    whole = tuple(FieldRule(name, unmasked=True) for name in FieldName)
    counter = await furnish(node, fields=whole)
    printed = await (await app.open_account()).make_static()
    company = await (await app.open_account(person("李示范"), uscc="91420100MA9TEXT198")).make_static()

    shown = {field.name: field.value for field in (await counter.scan(printed)).answer.fields}
    of_company = {field.name: field.value for field in (await counter.scan(company)).answer.fields}

    assert shown == {
        FieldName.NAME: "张**",
        FieldName.ID_NUMBER: "4****************6",
        FieldName.PHONE: "100******01",
    }
    assert of_company[FieldName.ENTITY_NAME] == "武汉样例贸易有限公司（虚构）"


@pytest.mark.req("7.5-04")
async def test_a_field_without_a_label_cannot_be_put_out(
    node: NodeInMemory, app: MobileApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter = await furnish(node, fields=masked(FieldName.NAME, FieldName.PHONE))
    code = await (await app.open_account()).present()
    # As if a release had added the field `phone` and forgotten to say how it is masked.
    monkeypatch.delitem(_masks(), FieldName.PHONE)

    shown = (await counter.scan(code)).answer.fields

    assert [field.name for field in shown] == [FieldName.NAME]


@pytest.mark.req("7.5-04")
async def test_a_new_field_in_the_profile_is_not_output(node: NodeInMemory, app: MobileApp) -> None:
    counter = await furnish(node, fields=masked(*FieldName))
    holder = await app.open_account()
    aad = holder.account.account_id.encode()
    sealed = node.keyring.seal_field('{"name": "张样例", "nationality": "中国"}'.encode(), aad)
    node.database.set_sealed_profile(holder.account, sealed)

    shown = (await counter.scan(await holder.present())).answer.fields

    assert [(field.name, field.value) for field in shown] == [(FieldName.NAME, "张**")]


async def test_the_record_of_a_scan_joins_by_serial_and_trace(
    app: MobileApp, counter: Counter, desk: OperatorDesk
) -> None:
    holder = await app.open_account()
    result = await counter.scan(await holder.present(), biz_serial="one")

    (record,) = await desk.audit(AuditAction.CODE_SCANNED)
    (row,) = await holder.records()

    assert (record.entry.object, record.entry.result) == (result.answer.scan_id, "VALID")
    assert (record.entry.biz_serial, record.entry.trace_id) == ("one", TRACE)
    assert (row.biz_serial, row.trace_id, row.scan_id) == ("one", TRACE, result.answer.scan_id)


async def test_what_a_node_keeps_of_a_scan_holds_neither_text_nor_name(node: NodeInMemory, app: MobileApp) -> None:
    counter = await furnish(node, fields=(FieldRule(FieldName.NAME, unmasked=True),))
    holder = await app.open_account()
    code = await holder.present()
    await counter.scan(code)

    kept = node.database.image()

    assert "张样例".encode() not in kept
    assert code.code_text.encode() not in kept
    assert parse(code.code_text).seal not in kept
    assert holder.token.encode() not in kept


def _masks() -> dict[FieldName, object]:
    from govcode_node.domain import disclosure

    return disclosure.MASKS  # type: ignore[return-value]
