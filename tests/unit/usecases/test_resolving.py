"""Asking for fields after a scan: only the own, fresh and VALID scan, only what the scene names."""

from datetime import timedelta

import pytest
from govcode_node.domain.accounts import AccountState
from govcode_node.domain.audit import AuditAction
from govcode_node.domain.callers import AppDisabledError
from govcode_node.domain.disclosure import DisclosedField, FieldName, FieldRule, ScopeDeniedError
from govcode_node.domain.parties import RegistrationState
from govcode_node.domain.scans import CrossRegionUnsupportedError, ScanNotFoundError, ScanTooOldError
from kit.clocks import MovableClock
from kit.federation_in_memory import FederationInMemory, NodeInMemory
from kit.people_in_memory import Counter, MobileApp, OperatorDesk, furnish, masked, person

NAME, ID_NUMBER, PHONE, USCC = FieldName.NAME, FieldName.ID_NUMBER, FieldName.PHONE, FieldName.USCC


@pytest.fixture
async def counter(node: NodeInMemory) -> Counter:
    return await furnish(node, fields=(*masked(NAME, ID_NUMBER), FieldRule(PHONE, unmasked=True)))


async def scan_of(app: MobileApp, counter: Counter, **fields: bool) -> str:
    holder = await app.open_account()
    return (await counter.scan(await holder.present(**fields))).answer.scan_id


@pytest.mark.req("7.2-11")
async def test_fields_are_masked_unless_the_scope_says_whole(
    app: MobileApp, counter: Counter, desk: OperatorDesk
) -> None:
    scan_id = await scan_of(app, counter)

    resolved = await counter.resolve(scan_id, ID_NUMBER, PHONE, NAME, NAME)

    assert resolved.fields == (
        DisclosedField(name=ID_NUMBER, value="4****************6", masked=True),
        DisclosedField(name=PHONE, value="10000000001", masked=False),
        DisclosedField(name=NAME, value="张**", masked=True),
    )
    (record,) = await desk.audit(AuditAction.CODE_RESOLVED)
    assert (record.entry.object, record.entry.details) == (scan_id, {"fields": "id_number,phone,name"})


@pytest.mark.req("7.2-11")
@pytest.mark.parametrize("name", [USCC, FieldName.PLACE_NAME, "nationality", ""])
async def test_a_field_outside_the_scope_is_denied_and_so_is_the_rest(
    app: MobileApp, counter: Counter, desk: OperatorDesk, name: str
) -> None:
    scan_id = await scan_of(app, counter)

    with pytest.raises(ScopeDeniedError) as refused:
        await counter.resolve(scan_id, NAME, name)

    assert refused.value.field == name
    assert await desk.audit(AuditAction.CODE_RESOLVED) == []


@pytest.mark.req("7.2-11")
async def test_the_static_code_of_a_person_resolves_masked_whatever_the_scope(app: MobileApp, counter: Counter) -> None:
    code = await (await app.open_account()).make_static()
    scan_id = (await counter.scan(code)).answer.scan_id

    resolved = await counter.resolve(scan_id, PHONE)

    assert resolved.fields == (DisclosedField(name=PHONE, value="100******01", masked=True),)


@pytest.mark.req("7.5-03")
async def test_the_id_is_that_of_the_scan(app: MobileApp, counter: Counter) -> None:
    code = await (await app.open_account()).present()
    answer = (await counter.scan(code)).answer

    assert (await counter.resolve(answer.scan_id, NAME)).pairwise_id == answer.pairwise_id


@pytest.mark.parametrize(
    ("age", "late"), [(timedelta(minutes=10), False), (timedelta(minutes=10, milliseconds=1), True)]
)
async def test_a_scan_resolves_for_ten_minutes(
    app: MobileApp, counter: Counter, clock: MovableClock, age: timedelta, late: bool
) -> None:
    scan_id = await scan_of(app, counter)
    clock.advance(age)

    if late:
        with pytest.raises(ScanTooOldError):
            await counter.resolve(scan_id, NAME)
    else:
        await counter.resolve(scan_id, NAME)


async def test_only_the_own_valid_scan_resolves(
    app: MobileApp, counter: Counter, other_counter: Counter, desk: OperatorDesk
) -> None:
    holder = await app.open_account()
    code = await holder.present(one_time=True)
    verified = (await counter.verify(code)).answer.scan_id
    valid = (await counter.scan(code)).answer.scan_id
    consumed = (await counter.scan(code)).answer.scan_id

    for asker, scan_id in ((counter, verified), (counter, consumed), (other_counter, valid), (counter, "sc_0")):
        with pytest.raises(ScanNotFoundError):
            await asker.resolve(scan_id, NAME)
    await desk.move_application("counter-app", RegistrationState.SUSPENDED)
    with pytest.raises(AppDisabledError):
        await counter.resolve(valid, NAME)


async def test_nothing_is_told_of_a_subject_that_is_gone(app: MobileApp, counter: Counter) -> None:
    holder = await app.open_account()
    scan_id = (await counter.scan(await holder.present())).answer.scan_id
    await holder.close()

    with pytest.raises(ScanNotFoundError):
        await counter.resolve(scan_id, NAME)


async def test_nothing_is_told_of_a_suspended_subject(app: MobileApp, counter: Counter) -> None:
    holder = await app.open_account()
    scan_id = (await counter.scan(await holder.present())).answer.scan_id
    app.node.database.set_account_state(holder.account, AccountState.SUSPENDED)

    with pytest.raises(ScanNotFoundError):
        await counter.resolve(scan_id, NAME)


async def test_a_field_that_the_subject_does_not_have_is_left_out(app: MobileApp, node: NodeInMemory) -> None:
    counter = await furnish(node, fields=masked(NAME, USCC))
    scan_id = await scan_of(app, counter)

    assert [field.name for field in (await counter.resolve(scan_id, NAME, USCC)).fields] == [NAME]


async def test_fields_of_another_region_come_with_the_scan_only(federation: FederationInMemory) -> None:
    home, visited = federation.add("420100", prefixes=("42",)), federation.add("110000", prefixes=("11",))
    federation.publish()
    counter = await furnish(visited, fields=masked(NAME))
    holder = await MobileApp(home).open_account(person("李示范"))
    scan_id = (await counter.scan(await holder.present())).answer.scan_id

    with pytest.raises(CrossRegionUnsupportedError):
        await counter.resolve(scan_id, NAME)
