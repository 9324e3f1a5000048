"""Asking for fields after a scan: only the own, fresh and VALID scan, only what the scene names."""

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from govcode_node.domain.accounts import AccountState
from govcode_node.domain.audit import AuditAction
from govcode_node.domain.authorizations import (
    AudienceMismatchError,
    AuthorizationNotFoundError,
    AuthorizationStateConflictError,
    ConsentRequiredError,
    GrantExhaustedError,
    GrantWithdrawnError,
    ItemNotGrantedError,
    UseState,
)
from govcode_node.domain.callers import AppDisabledError
from govcode_node.domain.catalogue import SUBJECT_TYPE, AskedItem
from govcode_node.domain.disclosure import DisclosedField, FieldName, FieldRule, ScopeDeniedError
from govcode_node.domain.events import LicenseUsed
from govcode_node.domain.parties import RegistrationState
from govcode_node.domain.scans import CrossRegionUnsupportedError, ScanNotFoundError, ScanTooOldError
from govcode_node.usecases.resolving import Resolved
from kit.clocks import MovableClock
from kit.consent_in_memory import AskingCounter, DecidingHolder, deciding_holder, register_matter, stock, told
from kit.federation_in_memory import FederationInMemory, NodeInMemory
from kit.people_in_memory import Counter, MobileApp, OperatorDesk, call_of, furnish, masked, person

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


@dataclass(frozen=True, kw_only=True)
class Consented:
    """A counter that may see name and number whole by the holder's grant, for two uses."""

    asking: AskingCounter
    holder: DecidingHolder
    authorization_id: str
    scan_id: str

    async def resolve(self, *names: str, whole: bool = False, **changes: str) -> Resolved:
        asked = {"scan_id": self.scan_id, "authorization_id": self.authorization_id, **changes}
        call = call_of(self.asking.caller, "ResolveCode", asked, names)
        return await self.asking.node.steps.resolving.resolve(call, field_names=names, whole=whole, **asked)


@pytest.fixture
async def consented(node: NodeInMemory) -> Consented:
    counter = AskingCounter(await furnish(node, fields=masked(NAME, ID_NUMBER, PHONE)))
    await stock(node)
    await register_matter(node, counter.counter.app_id)
    holder = await deciding_holder(node)
    item = AskedItem(license_type=SUBJECT_TYPE, field_names=("name", "id_number"))
    asked = await counter.ask(holder.holder, item, max_uses=2)
    await holder.grant_sensitive(asked.authorization_id, 1)
    scan_id = (await counter.counter.scan(await holder.holder.present())).answer.scan_id
    return Consented(asking=counter, holder=holder, authorization_id=asked.authorization_id, scan_id=scan_id)


@pytest.mark.req("7.2-11", "6.3-12")
async def test_by_the_holders_grant_granted_fields_are_whole_and_each_answer_is_a_use(consented: Consented) -> None:
    masked_answer = await consented.resolve(NAME, ID_NUMBER, PHONE, authorization_id="")

    answers = [await consented.resolve(NAME, ID_NUMBER, PHONE) for _ in range(2)]

    assert all(field.masked for field in masked_answer.fields)
    assert [(field.name, field.value, field.masked) for field in answers[0].fields] == [
        (NAME, "张样例", False),
        (ID_NUMBER, "420100198802149916", False),
        (PHONE, "100******01", True),
    ]
    with pytest.raises(GrantExhaustedError):
        await consented.resolve(NAME)
    uses = await consented.holder.list_uses(consented.authorization_id)
    assert [use.state for use in uses] == [UseState.DELIVERED] * 2
    notices = await told(consented.holder.node, consented.holder.holder.app.app_id, LicenseUsed)
    assert {notice.use_id for notice in notices} == {use.use_id for use in uses}


@pytest.mark.req("7.2-11")
async def test_whole_fields_without_consent_are_refused(consented: Consented) -> None:
    with pytest.raises(ConsentRequiredError) as refused:
        await consented.resolve(NAME, authorization_id="", whole=True)
    assert refused.value.field == "name"
    with pytest.raises(ConsentRequiredError):
        await consented.resolve(NAME, PHONE, whole=True)

    # What is refused is no use.
    assert await consented.holder.list_uses() == []
    assert (await consented.resolve(NAME, whole=True)).fields[0].value == "张样例"


@pytest.mark.req("7.2-11", "6.3-11")
async def test_consent_does_not_go_beyond_the_scene(consented: Consented) -> None:
    with pytest.raises(ScopeDeniedError):
        await consented.resolve(USCC)

    assert await consented.holder.list_uses() == []


@pytest.mark.req("7.2-11", "6.3-13")
async def test_after_a_withdrawal_the_fields_are_masked_again(consented: Consented) -> None:
    await consented.holder.withdraw(consented.authorization_id)

    with pytest.raises(GrantWithdrawnError):
        await consented.resolve(NAME)

    assert (await consented.resolve(NAME, authorization_id="")).fields[0].masked


@pytest.mark.req("7.2-11", "6.3-11")
async def test_the_grant_of_another_subject_shows_nothing(consented: Consented) -> None:
    other = await deciding_holder(consented.asking.node, "李示范")
    scan_id = (await consented.asking.counter.scan(await other.holder.present())).answer.scan_id

    with pytest.raises(AuthorizationNotFoundError):
        await consented.resolve(NAME, scan_id=scan_id)

    assert await consented.holder.list_uses() == []


@pytest.mark.req("7.2-11", "6.3-11")
async def test_the_grant_to_another_application_shows_nothing(consented: Consented, desk: OperatorDesk) -> None:
    counter = consented.asking.counter
    await desk.application("second-app", party_id=counter.party_id)
    second = Counter(counter.node, "second-app", counter.party_id, counter.uscc)
    scan_id = (await second.scan(await consented.holder.holder.present())).answer.scan_id
    stranger = replace(consented, asking=AskingCounter(second))

    with pytest.raises(AudienceMismatchError):
        await stranger.resolve(NAME, scan_id=scan_id)


@pytest.mark.req("7.2-11", "6.3-11")
async def test_a_grant_for_a_licence_shows_no_field_of_the_subject(consented: Consented) -> None:
    asked = await consented.asking.ask(consented.holder.holder)
    await consented.holder.decide(asked.authorization_id)

    with pytest.raises(ItemNotGrantedError):
        await consented.resolve(NAME, authorization_id=asked.authorization_id)


@pytest.mark.req("7.2-11", "6.3-11")
async def test_a_pending_request_shows_nothing(consented: Consented) -> None:
    item = AskedItem(license_type=SUBJECT_TYPE, field_names=("name",))
    asked = await consented.asking.ask(consented.holder.holder, item)

    with pytest.raises((AuthorizationStateConflictError, ItemNotGrantedError)):
        await consented.resolve(NAME, authorization_id=asked.authorization_id)
