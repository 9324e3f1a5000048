"""Who sees what of an authorization: the holder all, the relying party its own, an auditor what may go to court."""

import asyncio
from datetime import timedelta

import pytest
from govcode_node.domain.accounts import SessionInvalidError
from govcode_node.domain.audit import AuditAction
from govcode_node.domain.authorizations import (
    AuthorizationNotFoundError,
    AuthorizationState,
    ConsentRecord,
    ConsentRequest,
    Grant,
    NotOwnerError,
    UseState,
    Withdrawal,
)
from govcode_node.domain.digests import sm3
from govcode_node.domain.errors import CursorInvalidError
from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.domain.licenses import LicenseDelivery, LicenseUseRequest
from govcode_node.domain.recognition import HomeNodeTimeoutError, HomeNodeUnreachableError, PeerAnswerRefusedError
from govcode_node.domain.routes import TrustBundleMissingError
from kit.clocks import MovableClock
from kit.consent_in_memory import (
    MARRIED,
    NAME_AND_BORN,
    AskingCounter,
    DecidingHolder,
    Regions,
    deciding_holder,
    replace,
)
from kit.federation_in_memory import NodeInMemory
from kit.people_in_memory import AUDITOR, OperatorDesk, call_of


async def granted(counter: AskingCounter, holder: DecidingHolder, **wish: int) -> str:
    asked = await counter.ask(holder.holder, NAME_AND_BORN, **wish)
    await holder.decide(asked.authorization_id, places={1: "310000"})
    return asked.authorization_id


@pytest.mark.req("7.1-01", "6.3-08")
async def test_a_holder_lists_the_own_authorizations_page_by_page(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder, clock: MovableClock
) -> None:
    other = await deciding_holder(licensed, "李示范")
    asked = []
    for _ in range(5):
        asked.append((await licensed_counter.ask(asked_holder.holder)).authorization_id)
        clock.advance(1)
    await licensed_counter.ask(other.holder)
    reading, holder = licensed.steps.authorizations.reading, asked_holder.holder
    call = call_of(holder.app.caller, "ListAuthorizations")

    seen, token = [], ""
    while True:
        page = await reading.list_authorizations(call, session_token=holder.token, page_size=2, page_token=token)
        assert len(page.authorizations) <= 2
        seen += [one.authorization_id for one in page.authorizations]
        token = page.next_page_token
        if not token:
            break

    assert seen == asked[::-1]
    with pytest.raises(CursorInvalidError):
        await reading.list_authorizations(call, session_token=holder.token, page_size=2, page_token="us_1")
    with pytest.raises(SessionInvalidError):
        await reading.list_authorizations(call, session_token="0" * 32, page_size=2, page_token="")


@pytest.mark.req("7.1-01", "6.3-17")
async def test_a_holder_lists_the_uses_page_by_page_and_of_one_authorization(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder, clock: MovableClock
) -> None:
    first, second = [await granted(licensed_counter, asked_holder, max_uses=3) for _ in range(2)]
    used = []
    for authorization_id in (first, second, first):
        used.append((await licensed_counter.fetch(authorization_id)).header.use_id)
        clock.advance(1)
    other = await deciding_holder(licensed, "李示范")
    reading, holder = licensed.steps.authorizations.reading, asked_holder.holder
    call = call_of(holder.app.caller, "ListLicenseUses")

    page = await reading.list_uses(call, session_token=holder.token, authorization_id="", page_size=2, page_token="")
    rest = await reading.list_uses(
        call, session_token=holder.token, authorization_id="", page_size=2, page_token=page.next_page_token
    )

    assert [use.use_id for use in (*page.uses, *rest.uses)] == used[::-1]
    assert rest.next_page_token == ""
    assert [use.use_id for use in await asked_holder.list_uses(first)] == [used[2], used[0]]
    assert await other.list_uses() == []
    assert await other.list_uses(first) == []
    with pytest.raises(CursorInvalidError):
        await reading.list_uses(call, session_token=holder.token, authorization_id="", page_size=2, page_token="au_1")


@pytest.mark.req("6.3-10")
async def test_a_relying_party_waits_for_the_decision(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    asked = await licensed_counter.ask(asked_holder.holder)
    call = call_of(licensed_counter.caller, "WaitAuthorization", asked.authorization_id)
    reading = licensed.steps.authorizations.reading

    waiting = asyncio.ensure_future(reading.wait(call, asked.authorization_id, wait=timedelta(seconds=30)))
    await asyncio.sleep(0)
    assert not waiting.done()
    await asked_holder.decide(asked.authorization_id)

    decided = await asyncio.wait_for(waiting, 10)
    assert decided.state is AuthorizationState.GRANTED


async def test_waiting_ends_with_its_time_and_at_once_where_the_request_is_timed_out(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder, clock: MovableClock
) -> None:
    asked = await licensed_counter.ask(asked_holder.holder)
    call = call_of(licensed_counter.caller, "WaitAuthorization", asked.authorization_id)
    reading = licensed.steps.authorizations.reading

    pending = await reading.wait(call, asked.authorization_id, wait=timedelta())
    clock.advance(121)
    over = await asyncio.wait_for(reading.wait(call, asked.authorization_id, wait=timedelta(seconds=60)), 10)

    assert pending.state is AuthorizationState.PENDING
    assert over.state_at(clock.now()) is AuthorizationState.TIMED_OUT


@pytest.mark.req("6.3-16")
async def test_the_visited_node_follows_the_home_node_with_grant_and_counts(regions: Regions) -> None:
    authorization_id = await granted(regions.counter, regions.holder, max_uses=3)

    first = await regions.counter.get(authorization_id)
    await regions.counter.fetch(authorization_id)
    second = await regions.counter.get(authorization_id)

    assert (first.state, first.remaining_uses()) == (AuthorizationState.GRANTED, {1: 3})
    assert second.remaining_uses() == {1: 2}
    assert (first.account_id, first.consent) == (None, b"")
    read = await regions.visited.reader.read(first.grant, purpose=EvidencePurpose.GRANT, kind=Grant)
    assert (read.node_id, read.statement.authorization_id) == ("420100", authorization_id)


@pytest.mark.parametrize(
    ("trouble", "error"), [("unreachable", HomeNodeUnreachableError), ("hanging", HomeNodeTimeoutError)]
)
async def test_a_home_node_that_is_away_is_told_honestly(
    regions: Regions, trouble: str, error: type[Exception]
) -> None:
    asked = await regions.counter.ask(regions.holder.holder)
    getattr(regions.visited.peers, trouble).add("420100")

    with pytest.raises(error):
        await regions.counter.get(asked.authorization_id)


@pytest.mark.req("6.3-11")
async def test_the_grant_of_another_authorization_is_not_believed(regions: Regions) -> None:
    other = await granted(regions.counter, regions.holder)
    await regions.counter.get(other)
    earlier = regions.federation.answers[-1]
    asked = await regions.counter.ask(regions.holder.holder)
    regions.visited.peers.tamper = lambda answer: earlier

    with pytest.raises(PeerAnswerRefusedError):
        await regions.counter.get(asked.authorization_id)

    copy = await regions.visited.database.read(lambda tx: tx.authorizations.get(asked.authorization_id))
    assert copy is not None
    assert copy.state is AuthorizationState.PENDING


async def test_an_authorization_of_another_application_is_none(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    asked = await licensed_counter.ask(asked_holder.holder)
    reading = licensed.steps.authorizations.reading
    stranger = replace(licensed_counter.caller, name="other-app")

    for authorization_id in (asked.authorization_id, "au_" + "7" * 32, "x"):
        with pytest.raises(AuthorizationNotFoundError):
            await reading.get_for_party(call_of(stranger, "GetAuthorization"), authorization_id)


@pytest.mark.req("8.1-06", "6.3-17")
async def test_an_export_holds_all_evidence_joined_by_digests(regions: Regions) -> None:
    authorization_id = await granted(regions.counter, regions.holder)
    await regions.counter.fetch(authorization_id)
    await regions.holder.withdraw(authorization_id)

    exported = await regions.holder.export(authorization_id)

    read = regions.visited.reader.read
    request = await read(exported.consent_request, purpose=EvidencePurpose.CONSENT_REQUEST, kind=ConsentRequest)
    consent = await read(exported.consent_record, purpose=EvidencePurpose.CONSENT, kind=ConsentRecord)
    grant = await read(exported.grant, purpose=EvidencePurpose.GRANT, kind=Grant)
    withdrawal = await read(exported.withdrawal, purpose=EvidencePurpose.WITHDRAWAL, kind=Withdrawal)
    (asked,) = exported.use_requests
    use = await read(asked, purpose=EvidencePurpose.LICENSE_USE, kind=LicenseUseRequest)
    (delivered,) = exported.deliveries
    delivery = await read(delivered, purpose=EvidencePurpose.LICENSE_DELIVERY, kind=LicenseDelivery)
    assert consent.statement.request_digest == sm3(request.payload)
    assert grant.statement.consent_digest == sm3(consent.payload)
    assert {one.statement.authorization_id for one in (request, consent, grant, withdrawal, use, delivery)} == {
        authorization_id
    }
    assert {one.node_id for one in (consent, grant, withdrawal)} == {"420100"}
    assert (request.node_id, use.node_id, delivery.node_id) == ("110000", "110000", "310000")
    assert exported.trust_bundle
    (record,) = await OperatorDesk(regions.home).audit(AuditAction.AUTHORIZATION_EXPORTED)
    assert record.entry.object == authorization_id


@pytest.mark.req("8.1-06")
async def test_an_auditor_exports_by_id_and_a_stranger_does_not(regions: Regions) -> None:
    authorization_id = await granted(regions.counter, regions.holder)
    other = await deciding_holder(regions.home, "李示范")
    export = regions.home.steps.authorizations.reading.export
    call = call_of(AUDITOR, "ExportAuthorization")

    exported = await export(call, authorization_id=authorization_id, session_token="")

    assert exported.consent_record
    assert exported.withdrawal == b""
    with pytest.raises(NotOwnerError):
        await other.export(authorization_id)
    with pytest.raises(AuthorizationNotFoundError):
        await export(call, authorization_id="au_" + "7" * 32, session_token="")


async def test_nothing_is_exported_that_could_not_be_checked(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    authorization_id = await granted(licensed_counter, asked_holder)
    assert licensed.trust.held is None

    with pytest.raises(TrustBundleMissingError):
        await asked_holder.export(authorization_id)


@pytest.mark.req("6.3-06")
async def test_the_same_request_always_shows_the_same_page(
    licensed_counter: AskingCounter, asked_holder: DecidingHolder, clock: MovableClock
) -> None:
    asked = await licensed_counter.ask(asked_holder.holder, NAME_AND_BORN, MARRIED)
    before = (await asked_holder.view(asked.authorization_id)).page
    await asked_holder.decide(asked.authorization_id)
    clock.advance(timedelta(hours=1))

    assert (await asked_holder.view(asked.authorization_id)).page == before


async def test_a_closed_account_reads_nothing_and_its_uses_are_kept(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    authorization_id = await granted(licensed_counter, asked_holder)
    await licensed_counter.fetch(authorization_id)
    await asked_holder.holder.close()

    with pytest.raises(SessionInvalidError):
        await asked_holder.list_authorizations()

    uses = await licensed.database.read(lambda tx: tx.authorizations.uses_of(authorization_id))
    assert [use.state for use in uses] == [UseState.DELIVERED]
