"""A licence is delivered under a grant: counted at home, fetched where it is held, opened by the application alone."""

import asyncio
import logging
from datetime import timedelta
from typing import Any

import pytest
from govcode_node.domain.accounts import AccountState
from govcode_node.domain.audit import AuditAction
from govcode_node.domain.authorizations import (
    AuthorizationNotFoundError,
    AuthorizationState,
    AuthorizationStateConflictError,
    GrantExhaustedError,
    GrantExpiredError,
    GrantWithdrawnError,
    ItemNotGrantedError,
    MatterMismatchError,
    UseState,
)
from govcode_node.domain.callers import AppDisabledError
from govcode_node.domain.digests import sm3
from govcode_node.domain.errors import SerialConflictError
from govcode_node.domain.events import LicenseUsed
from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.domain.licenses import (
    DeliveryChunk,
    DeliveryEnd,
    DeliveryHeader,
    EncryptionKeyMissingError,
    LicenseDelivery,
    LicenseNotFoundError,
    LicenseServiceUnavailableError,
    LicenseUseRequest,
)
from govcode_node.domain.parties import RegistrationState
from govcode_node.domain.recognition import (
    HomeNodeTimeoutError,
    HomeNodeUnreachableError,
    PeerAnswerRefusedError,
    PeerRefusedError,
)
from kit.canaries import Canaries
from kit.clocks import MovableClock
from kit.consent_in_memory import (
    BIRTH,
    DRIVING,
    LICENCES_FILE,
    MARRIED,
    NAME_AND_BORN,
    WITH_DOCUMENT,
    AskedItem,
    AskingCounter,
    DecidingHolder,
    Regions,
    asking_counter,
    bytes_between,
    deciding_holder,
    register_matter,
    told,
)
from kit.federation_in_memory import FederationInMemory, NodeInMemory
from kit.people_in_memory import OTHER_USCC, Counter, OperatorDesk, serial

PLANTED = Canaries(
    {
        "born": "1988-02-14",
        "mother": "王样例",
        "licence number": "SPECIMEN-310000-B1",
        "citizen id": "420100198802149916",
    }
)


async def granted(
    counter: AskingCounter, holder: DecidingHolder, *items: AskedItem, place: str = "310000", **wish: Any
) -> str:
    """An authorization with all its items granted."""
    asked = await counter.ask(holder.holder, *(items or (NAME_AND_BORN,)), **wish)
    numbers = [item.item_no for item in asked.request.items]
    await holder.decide(asked.authorization_id, granted=numbers, places=dict.fromkeys(numbers, place))
    return asked.authorization_id


@pytest.mark.req("6.3-01", "6.3-12", "7.1-01")
async def test_a_licence_held_here_is_delivered_once_and_no_more(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    authorization_id = await granted(licensed_counter, asked_holder)

    received = await licensed_counter.fetch(authorization_id)

    assert received.fields == {"name": "张样例", "born": "1988-02-14"}
    assert received.header.remaining_uses == 0
    with pytest.raises(GrantExhaustedError):
        await licensed_counter.fetch(authorization_id)
    assert (await licensed_counter.get(authorization_id)).state_at(licensed.clock.now()) is AuthorizationState.EXHAUSTED
    (event,) = await told(licensed, "mobile-app", LicenseUsed)
    assert (event.license_type, event.relying_party_name) == (BIRTH, "政务服务中心")
    (use,) = await asked_holder.list_uses()
    assert (use.use_id, use.state) == (received.header.use_id, UseState.DELIVERED)


@pytest.mark.req("6.3-01")
@pytest.mark.parametrize("state", ["pending", "denied", "timed out", "none"])
async def test_nothing_is_fetched_without_a_grant(
    licensed: NodeInMemory,
    licensed_counter: AskingCounter,
    asked_holder: DecidingHolder,
    clock: MovableClock,
    state: str,
) -> None:
    asked = await licensed_counter.ask(asked_holder.holder)
    authorization_id = asked.authorization_id
    if state == "denied":
        await asked_holder.deny(authorization_id)
    elif state == "timed out":
        clock.advance(121)
    elif state == "none":
        authorization_id = "au_" + "7" * 32

    with pytest.raises((AuthorizationStateConflictError, AuthorizationNotFoundError)):
        await licensed_counter.fetch(authorization_id)

    assert await asked_holder.list_uses() == []
    assert await OperatorDesk(licensed).audit(AuditAction.LICENSE_USE_BEGUN) == []


@pytest.mark.req("6.3-01")
async def test_across_regions_too_nothing_is_fetched_without_a_grant(regions: Regions) -> None:
    asked = await regions.counter.ask(regions.holder.holder)

    with pytest.raises(PeerRefusedError) as refused:
        await regions.counter.fetch(asked.authorization_id)

    assert refused.value.reason == "AuthorizationStateConflictError"
    assert regions.federation.pieces == []


@pytest.mark.req("6.3-11")
async def test_another_application_does_not_use_the_grant(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    desk = OperatorDesk(licensed)
    party_id = await desk.relying_party(OTHER_USCC)
    await desk.application("other-app", party_id=party_id)
    other = AskingCounter(Counter(licensed, "other-app", party_id, OTHER_USCC))
    await other.register_key()
    authorization_id = await granted(licensed_counter, asked_holder)

    with pytest.raises(AuthorizationNotFoundError):
        await other.fetch(authorization_id)
    with pytest.raises(AuthorizationNotFoundError):
        await other.get(authorization_id)

    assert (await licensed_counter.get(authorization_id)).remaining_uses() == {1: 1}


@pytest.mark.req("6.3-11")
async def test_an_item_that_was_not_granted_is_not_fetched(
    licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    asked = await licensed_counter.ask(asked_holder.holder, NAME_AND_BORN, MARRIED)
    await asked_holder.decide(asked.authorization_id, granted=(1,))

    for item_no in (2, 3):
        with pytest.raises(ItemNotGrantedError) as refused:
            await licensed_counter.fetch(asked.authorization_id, item_no=item_no)
        assert refused.value.item_no == item_no


@pytest.mark.req("6.3-11")
@pytest.mark.parametrize(("age", "held"), [(timedelta(minutes=9, seconds=59), True), (timedelta(minutes=10), False)])
async def test_a_grant_ends_with_its_time(
    licensed_counter: AskingCounter,
    asked_holder: DecidingHolder,
    clock: MovableClock,
    age: timedelta,
    held: bool,
) -> None:
    authorization_id = await granted(licensed_counter, asked_holder)
    clock.advance(age)

    if held:
        await licensed_counter.fetch(authorization_id)
    else:
        with pytest.raises(GrantExpiredError):
            await licensed_counter.fetch(authorization_id)


@pytest.mark.req("6.3-20", "6.3-11")
async def test_another_matter_needs_a_new_grant(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    await register_matter(licensed, licensed_counter.counter.app_id, matter_code="M-0002", name="另一事项")
    authorization_id = await granted(licensed_counter, asked_holder)

    with pytest.raises(MatterMismatchError) as refused:
        await licensed_counter.fetch(authorization_id, matter_code="M-0002")

    assert (refused.value.granted, refused.value.asked) == ("M-0001", "M-0002")
    assert (await licensed_counter.get(authorization_id)).remaining_uses() == {1: 1}


@pytest.mark.req("6.3-12")
async def test_twenty_uses_at_once_of_a_grant_of_three_are_three(federation: FederationInMemory) -> None:
    node = federation.add("310000", prefixes=("31",), licences=LICENCES_FILE, gather=True)
    counter, holder = await asking_counter(node), await deciding_holder(node)
    authorization_id = await granted(counter, holder, max_uses=3)

    outcomes = await asyncio.gather(*(counter.fetch(authorization_id) for _ in range(20)), return_exceptions=True)

    refused = [one for one in outcomes if isinstance(one, BaseException)]
    assert {type(one) for one in refused} == {GrantExhaustedError}
    assert len(refused) == 17
    uses = await holder.list_uses(authorization_id)
    assert [use.state for use in uses] == [UseState.DELIVERED] * 3


@pytest.mark.req("6.3-12", "6.3-16")
async def test_twenty_uses_at_once_through_another_node_are_three(regions: Regions) -> None:
    authorization_id = await granted(regions.counter, regions.holder, max_uses=3)

    outcomes = await asyncio.gather(
        *(regions.counter.fetch(authorization_id) for _ in range(20)), return_exceptions=True
    )

    refused = [one for one in outcomes if isinstance(one, BaseException)]
    assert {one.reason for one in refused if isinstance(one, PeerRefusedError)} == {"GrantExhaustedError"}
    assert len(refused) == 17


@pytest.mark.req("6.3-12")
async def test_a_licence_system_that_fails_consumes_nothing(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    authorization_id = await granted(licensed_counter, asked_holder, max_uses=3)
    assert licensed.licences is not None
    licensed.licences.available = False
    number = serial("use")
    for _ in range(2):
        with pytest.raises(LicenseServiceUnavailableError):
            await licensed_counter.fetch(authorization_id, biz_serial=number)
    assert (await licensed_counter.get(authorization_id)).remaining_uses() == {1: 3}
    licensed.licences.available = True

    received = await licensed_counter.fetch(authorization_id, biz_serial=number)

    assert (received.header.replayed, received.header.remaining_uses) == (False, 2)
    assert len(await OperatorDesk(licensed).audit(AuditAction.LICENSE_USE_FAILED)) == 2


@pytest.mark.req("6.3-12", "6.3-13", "6.3-16")
@pytest.mark.parametrize(
    ("trouble", "reason"), [("unreachable", HomeNodeUnreachableError), ("hanging", HomeNodeTimeoutError)]
)
async def test_a_licence_node_that_is_away_is_told_honestly_and_consumes_nothing(
    regions: Regions, trouble: str, reason: type[Exception]
) -> None:
    authorization_id = await granted(regions.counter, regions.holder)
    away: set[str] = getattr(regions.home.peers, trouble)
    away.add("310000")
    number = serial("use")
    with pytest.raises(reason):
        await regions.counter.fetch(authorization_id, biz_serial=number)
    assert (await regions.counter.get(authorization_id)).remaining_uses() == {1: 1}
    away.clear()

    received = await regions.counter.fetch(authorization_id, biz_serial=number)

    assert (received.fields["name"], received.header.replayed) == ("张样例", False)


@pytest.mark.req("6.3-12", "N-51")
async def test_the_same_serial_goes_on_with_the_same_use(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    authorization_id, number = await granted(licensed_counter, asked_holder, WITH_DOCUMENT), serial("use")
    whole = await licensed_counter.fetch(authorization_id, biz_serial=number)

    again = await licensed_counter.fetch(authorization_id, biz_serial=number)

    assert again.header.replayed
    assert (again.header.use_id, again.header.remaining_uses) == (whole.header.use_id, 0)
    assert again.document == whole.document
    assert len(await OperatorDesk(licensed).audit(AuditAction.LICENSE_USE_BEGUN)) == 1
    assert len(await told(licensed, "mobile-app", LicenseUsed)) == 1


@pytest.mark.req("6.3-12", "N-25")
async def test_a_broken_delivery_goes_on_at_a_chunk_without_counting_again(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    authorization_id, number = await granted(licensed_counter, asked_holder, WITH_DOCUMENT), serial("use")
    fetching = licensed.steps.authorizations.fetching
    call, command = licensed_counter.fetch_call(authorization_id, biz_serial=number)
    first: list[Any] = []
    async with fetching.fetch(call, command) as pieces:
        async for piece in pieces:
            first.append(piece)
            if len(first) == 3:
                break
    assert [type(piece) for piece in first] == [DeliveryHeader, DeliveryChunk, DeliveryChunk]
    assert first[0].chunk_count > 2
    (use,) = await asked_holder.list_uses()
    assert use.state is UseState.BEGUN

    call, command = licensed_counter.fetch_call(authorization_id, biz_serial=number, from_chunk=2)
    async with fetching.fetch(call, command) as pieces:
        rest = [piece async for piece in pieces]

    header = rest[0]
    assert (header.replayed, header.use_id, header.from_chunk) == (True, first[0].use_id, 2)
    # Sealed anew: the chunks of both answers make one document under the content of either.
    together = licensed_counter.open([header, *first[1:], *rest[1:]])
    assert sm3(together.document) == together.content.document_digest
    assert (await licensed_counter.get(authorization_id)).remaining_uses() == {1: 0}
    (use,) = await asked_holder.list_uses()
    assert use.state is UseState.DELIVERED
    assert len(await OperatorDesk(licensed).audit(AuditAction.LICENSE_USE_BEGUN)) == 1


@pytest.mark.req("N-51")
async def test_a_serial_names_one_item(licensed_counter: AskingCounter, asked_holder: DecidingHolder) -> None:
    authorization_id, number = await granted(licensed_counter, asked_holder, NAME_AND_BORN, MARRIED), serial("use")
    await licensed_counter.fetch(authorization_id, biz_serial=number)

    with pytest.raises(SerialConflictError):
        await licensed_counter.fetch(authorization_id, biz_serial=number, item_no=2)


@pytest.mark.req("N-51")
async def test_a_serial_is_remembered_for_a_day(
    licensed_counter: AskingCounter, asked_holder: DecidingHolder, clock: MovableClock
) -> None:
    authorization_id = await granted(licensed_counter, asked_holder, max_uses=2, period=timedelta(days=3))
    number = serial("use")
    await licensed_counter.fetch(authorization_id, biz_serial=number)
    clock.advance(timedelta(hours=23))
    assert (await licensed_counter.fetch(authorization_id, biz_serial=number)).header.replayed
    clock.advance(timedelta(hours=2))

    with pytest.raises(SerialConflictError):
        await licensed_counter.fetch(authorization_id, biz_serial=number)


@pytest.mark.req("6.3-12")
async def test_a_second_call_with_the_serial_waits_and_is_counted_once(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    authorization_id, number = await granted(licensed_counter, asked_holder, max_uses=3), serial("use")

    both = await asyncio.gather(*(licensed_counter.fetch(authorization_id, biz_serial=number) for _ in range(2)))

    assert sorted(one.header.replayed for one in both) == [False, True]
    assert both[0].header.use_id == both[1].header.use_id
    assert (await licensed_counter.get(authorization_id)).remaining_uses() == {1: 2}


@pytest.mark.req("6.3-12")
async def test_a_caller_that_goes_away_before_anything_is_handed_out_consumes_nothing(
    licensed: NodeInMemory,
    licensed_counter: AskingCounter,
    asked_holder: DecidingHolder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    authorization_id = await granted(licensed_counter, asked_holder)
    reached = asyncio.Event()

    async def hanging(*args: object, **wish: object) -> object:
        reached.set()
        return await asyncio.Event().wait()

    assert licensed.licences is not None
    with monkeypatch.context() as patched:
        patched.setattr(licensed.licences, "fetch", hanging)
        fetching = asyncio.ensure_future(licensed_counter.fetch(authorization_id))
        await asyncio.wait_for(reached.wait(), 10)
        fetching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await fetching

    assert (await licensed_counter.get(authorization_id)).remaining_uses() == {1: 1}
    await licensed_counter.fetch(authorization_id)


async def test_without_a_registered_key_nothing_is_fetched(
    licensed: NodeInMemory, asked_holder: DecidingHolder
) -> None:
    counter = await asking_counter(licensed)
    desk = OperatorDesk(licensed)
    party_id = await desk.relying_party(OTHER_USCC)
    await desk.application("keyless-app", party_id=party_id)
    await register_matter(licensed, "keyless-app")
    keyless = AskingCounter(Counter(licensed, "keyless-app", party_id, OTHER_USCC))
    authorization_id = await granted(keyless, asked_holder)

    with pytest.raises(EncryptionKeyMissingError):
        await keyless.fetch(authorization_id)

    assert counter.counter.app_id != "keyless-app"
    assert await asked_holder.list_uses() == []


async def test_a_suspended_application_fetches_nothing(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    authorization_id = await granted(licensed_counter, asked_holder)
    await OperatorDesk(licensed).move_application(licensed_counter.counter.app_id, RegistrationState.SUSPENDED)

    with pytest.raises(AppDisabledError):
        await licensed_counter.fetch(authorization_id)


@pytest.mark.req("6.3-13", "7.1-07")
@pytest.mark.parametrize("end", ["closed", "suspended"])
async def test_nothing_is_fetched_of_a_subject_that_is_gone(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder, end: str
) -> None:
    authorization_id = await granted(licensed_counter, asked_holder)
    if end == "closed":
        await asked_holder.holder.close()
    else:
        licensed.database.set_account_state(asked_holder.holder.account, AccountState.SUSPENDED)

    with pytest.raises(GrantWithdrawnError):
        await licensed_counter.fetch(authorization_id)


@pytest.mark.req("6.3-20")
async def test_the_fields_of_the_subject_itself_are_no_licence_to_fetch(
    licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    authorization_id = await granted(
        licensed_counter, asked_holder, AskedItem(license_type="subject", field_names=("name",))
    )

    with pytest.raises(ItemNotGrantedError):
        await licensed_counter.fetch(authorization_id)


@pytest.mark.req("6.3-16", "N-22", "6.3-18", "8.1-06")
async def test_code_licence_and_counter_in_three_regions_and_nobody_between_can_read(
    regions: Regions, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    whole = AskedItem(license_type=BIRTH, field_names=("name", "mother"), document=True)
    asked = await regions.counter.ask(regions.holder.holder, whole)
    places = await regions.holder.locate(asked.authorization_id)
    assert {place.license_node for _, place in places} == {"310000"}
    await regions.holder.grant_sensitive(asked.authorization_id, 1, places={1: "310000"})

    received = await regions.counter.fetch(asked.authorization_id)

    assert received.fields == {"name": "张样例", "mother": "王样例"}
    paper = received.document
    assert sm3(paper) == received.content.document_digest
    assert {(asker, asked_node) for asked_node, asker, _ in regions.federation.pieces} == {
        ("420100", "310000"),
        ("110000", "420100"),
    }
    passed = bytes_between(regions.federation)
    assert PLANTED.in_bytes(passed) == set()
    middle = len(paper) // 2
    parts = [paper[:64], paper[middle : middle + 64], paper[-64:]]
    stores = {node_id: node.database.image() for node_id, node in regions.federation.nodes.items()}
    for data in (passed, *stores.values()):
        assert not any(part in data for part in parts)
    assert set().union(*(PLANTED.in_bytes(image) for image in stores.values())) == set()
    assert PLANTED.in_bytes(caplog.text.encode()) == set()


@pytest.mark.req("6.3-16", "6.3-17", "8.1-06")
async def test_each_leg_has_a_record_and_its_evidence_joined_by_the_serial(regions: Regions) -> None:
    authorization_id, number = await granted(regions.counter, regions.holder), serial("use")

    received = await regions.counter.fetch(authorization_id, biz_serial=number)

    kept = {}
    for node_id, node in regions.federation.nodes.items():
        (kept[node_id],) = await node.database.read(lambda tx: tx.authorizations.uses_of(authorization_id))
        (record,) = await OperatorDesk(node).audit(AuditAction.LICENSE_USED)
        assert (record.entry.object, record.entry.biz_serial) == (received.header.use_id, number)
    assert {(use.use_id, use.biz_serial, use.state) for use in kept.values()} == {
        (received.header.use_id, number, UseState.DELIVERED)
    }
    assert {use.delivery for use in kept.values()} == {received.delivery}
    read = await regions.visited.reader.read(
        received.delivery, purpose=EvidencePurpose.LICENSE_DELIVERY, kind=LicenseDelivery
    )
    statement = read.statement
    assert (read.node_id, statement.use_id, statement.field_names) == (
        "310000",
        received.header.use_id,
        ("name", "born"),
    )
    asked = await regions.home.reader.read(
        kept["420100"].request, purpose=EvidencePurpose.LICENSE_USE, kind=LicenseUseRequest
    )
    assert (asked.node_id, asked.statement.biz_serial) == ("110000", number)


@pytest.mark.req("N-22")
async def test_the_place_that_the_holder_picked_is_where_it_is_fetched(regions: Regions) -> None:
    card = AskedItem(license_type=DRIVING, field_names=("class",))
    # In Shanghai it has run out; that of Beijing is in force.
    asked = await regions.counter.ask(regions.holder.holder, card)
    places = await regions.holder.locate(asked.authorization_id)
    assert {place.license_node for _, place in places} == {"310000", "110000"}
    await regions.holder.decide(asked.authorization_id, places={1: "310000"})

    with pytest.raises(PeerRefusedError) as refused:
        await regions.counter.fetch(asked.authorization_id)

    assert refused.value.reason == "LicenseNotValidError"
    (record,) = await OperatorDesk(regions.licensing).audit(AuditAction.LICENSE_REFUSED)
    assert record.entry.result == "LicenseNotValidError"


@pytest.mark.req("N-22")
async def test_a_wrong_place_is_honestly_not_found_and_consumes_nothing(regions: Regions) -> None:
    authorization_id = await granted(regions.counter, regions.holder, place="420100")

    with pytest.raises(PeerRefusedError) as refused:
        await regions.counter.fetch(authorization_id)

    assert refused.value.reason == LicenseNotFoundError.__name__
    assert (await regions.counter.get(authorization_id)).remaining_uses() == {1: 1}


@pytest.mark.req("N-22")
async def test_where_the_holder_picks_no_place_the_known_one_is_taken(regions: Regions) -> None:
    asked = await regions.counter.ask(regions.holder.holder, NAME_AND_BORN)
    await regions.holder.decide(asked.authorization_id)

    received = await regions.counter.fetch(asked.authorization_id)

    assert received.fields["born"] == "1988-02-14"
    (use,) = await regions.holder.list_uses()
    assert use.license_node == "310000"


@pytest.mark.req("6.3-12", "6.3-16")
async def test_a_delivery_that_breaks_between_nodes_goes_on_without_counting_again(regions: Regions) -> None:
    authorization_id = await granted(regions.counter, regions.holder, WITH_DOCUMENT)
    number = serial("use")
    fetching = regions.visited.steps.authorizations.fetching
    call, command = regions.counter.fetch_call(authorization_id, biz_serial=number)
    first: list[Any] = []
    async with fetching.fetch(call, command) as pieces:
        async for piece in pieces:
            first.append(piece)
            if len(first) == 2:
                break

    call, command = regions.counter.fetch_call(authorization_id, biz_serial=number, from_chunk=1)
    async with fetching.fetch(call, command) as pieces:
        rest = [piece async for piece in pieces]

    together = regions.counter.open([rest[0], first[1], *rest[1:]])
    assert sm3(together.document) == together.content.document_digest
    assert (rest[0].replayed, rest[0].use_id) == (True, first[0].use_id)
    assert (await regions.counter.get(authorization_id)).remaining_uses() == {1: 0}
    (use,) = await regions.visited.database.read(lambda tx: tx.authorizations.uses_of(authorization_id))
    assert use.state is UseState.DELIVERED


@pytest.mark.req("6.3-16")
async def test_the_end_of_another_delivery_is_not_believed(regions: Regions) -> None:
    earlier = await regions.counter.fetch(await granted(regions.counter, regions.holder))
    authorization_id = await granted(regions.counter, regions.holder)
    false = DeliveryEnd(evidence=earlier.delivery)
    regions.home.peers.meddle = lambda piece: [false if isinstance(piece, DeliveryEnd) else piece]

    with pytest.raises(PeerRefusedError) as refused:
        await regions.counter.fetch(authorization_id)

    assert refused.value.reason == PeerAnswerRefusedError.__name__
    (use,) = await regions.holder.list_uses(authorization_id)
    assert use.state is UseState.BEGUN


@pytest.mark.req("6.3-16")
async def test_the_visited_node_too_looks_at_whose_end_it_is(regions: Regions) -> None:
    earlier = await regions.counter.fetch(await granted(regions.counter, regions.holder))
    authorization_id = await granted(regions.counter, regions.holder)
    false = DeliveryEnd(evidence=earlier.delivery)
    regions.visited.peers.meddle = lambda piece: [false if isinstance(piece, DeliveryEnd) else piece]

    with pytest.raises(PeerAnswerRefusedError):
        await regions.counter.fetch(authorization_id)

    (use,) = await regions.visited.database.read(lambda tx: tx.authorizations.uses_of(authorization_id))
    assert use.state is UseState.BEGUN


@pytest.mark.req("6.3-12", "6.3-16")
async def test_a_delivery_without_a_header_is_refused_and_consumes_nothing(regions: Regions) -> None:
    authorization_id = await granted(regions.counter, regions.holder)
    regions.home.peers.meddle = lambda piece: [] if isinstance(piece, DeliveryHeader) else [piece]

    with pytest.raises(PeerRefusedError) as refused:
        await regions.counter.fetch(authorization_id)

    assert refused.value.reason == PeerAnswerRefusedError.__name__
    assert (await regions.counter.get(authorization_id)).remaining_uses() == {1: 1}


@pytest.mark.req("6.3-11")
async def test_a_node_that_did_not_ask_fetches_nothing_in_anothers_place(regions: Regions) -> None:
    authorization_id = await granted(regions.counter, regions.holder)
    request = LicenseUseRequest(
        authorization_id=authorization_id,
        from_node="310000",
        to_node="420100",
        app_id=regions.counter.counter.app_id,
        biz_serial="stolen",
        matter_code="M-0001",
        item_no=1,
        recipient_key=regions.counter.key.public_key.to_point(),
        requested_at=regions.home.clock.now(),
    )
    evidence = await regions.licensing.attestor.attest(EvidencePurpose.LICENSE_USE, request)
    call = regions.counter.fetch_call(authorization_id)[0]

    with pytest.raises(PeerRefusedError) as refused:
        async with regions.licensing.peers.forward_license_fetch("420100", request=evidence, grant=b"", call=call):
            pytest.fail("delivered")

    assert refused.value.reason == "IdentityMismatchError"


@pytest.mark.req("6.3-11")
async def test_a_visited_node_cannot_use_a_grant_for_another_of_its_applications(regions: Regions) -> None:
    authorization_id = await granted(regions.counter, regions.holder)
    request = LicenseUseRequest(
        authorization_id=authorization_id,
        from_node="110000",
        to_node="420100",
        app_id="other-app",
        biz_serial="other",
        matter_code="M-0001",
        item_no=1,
        recipient_key=regions.counter.key.public_key.to_point(),
        requested_at=regions.home.clock.now(),
    )
    evidence = await regions.visited.attestor.attest(EvidencePurpose.LICENSE_USE, request)
    call = regions.counter.fetch_call(authorization_id)[0]

    with pytest.raises(PeerRefusedError) as refused:
        async with regions.visited.peers.forward_license_fetch("420100", request=evidence, grant=b"", call=call):
            pytest.fail("delivered")

    assert refused.value.reason == "AudienceMismatchError"
