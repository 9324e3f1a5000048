"""The node that holds a licence looks at everything before the first byte leaves, and keeps nothing of it."""

import asyncio
import json
import logging
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from govcode_node.domain.audit import AuditAction
from govcode_node.domain.authorizations import (
    AudienceMismatchError,
    DecidedItem,
    Grant,
    GrantExpiredError,
    GrantWithdrawnError,
    ItemNotGrantedError,
    LegalBasis,
    MatterMismatchError,
    UseState,
    Withdrawal,
    WithdrawalReason,
)
from govcode_node.domain.callers import Call
from govcode_node.domain.errors import GovcodeError, OverloadedError
from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.domain.licenses import (
    DeliveryHeader,
    HolderMismatchError,
    LicenseDelivery,
    LicenseNotValidError,
    LicenseSealInvalidError,
    LicenseServiceUnavailableError,
    LicenseStatus,
    LicenseUseRequest,
    Locator,
    LocatorSource,
)
from govcode_node.domain.recognition import PeerRefusedError
from govcode_node.providers.licence.embedded import EmbeddedLicenseProvider
from govcode_node.usecases.license_delivery import MOST_DELIVERIES, DeliveryOrder, check_order
from govcode_node.wire.licenses import WireLicenseCodec
from kit.canaries import Canaries
from kit.clocks import MovableClock
from kit.consent_in_memory import (
    BIRTH,
    DRIVING,
    GRADUATION,
    MARRIED,
    MATTER,
    NAME_AND_BORN,
    WITH_DOCUMENT,
    AskedItem,
    AskingCounter,
    DecidingHolder,
    Regions,
    replace,
)
from kit.federation_in_memory import OPENING, NodeInMemory
from kit.licence_files import verify_sm2
from kit.people_in_memory import OperatorDesk

ALL_FIELDS = AskedItem(license_type=BIRTH, field_names=("name", "born", "mother"), document=True)
REFUSED = {"EvidenceRefusedError", "IdentityMismatchError", "AuthorizationNotFoundError"}
OF_THE_LICENCE = Canaries(
    {"born": "1988-02-14", "mother": "王样例", "number": "SPECIMEN-310000-B1", "citizen id": "420100198802149916"}
)


async def granted(counter: AskingCounter, holder: DecidingHolder, *items: AskedItem, **wish: Any) -> str:
    asked = await counter.ask(holder.holder, *(items or (NAME_AND_BORN,)), **wish)
    await holder.decide(asked.authorization_id)
    return asked.authorization_id


async def remaining(counter: AskingCounter, authorization_id: str) -> dict[int, int]:
    return (await counter.get(authorization_id)).remaining_uses()


def licences_of(node: NodeInMemory) -> EmbeddedLicenseProvider:
    assert node.licences is not None
    return node.licences


@pytest.mark.req("6.3-14")
async def test_fields_that_were_not_granted_are_left_out_and_the_excess_is_reported(
    licensed: NodeInMemory,
    licensed_counter: AskingCounter,
    asked_holder: DecidingHolder,
    caplog: pytest.LogCaptureFixture,
) -> None:
    licences_of(licensed).over_returns = True
    authorization_id = await granted(licensed_counter, asked_holder, NAME_AND_BORN)

    received = await licensed_counter.fetch(authorization_id)

    assert received.fields == {"name": "张样例", "born": "1988-02-14"}
    assert (received.document, received.chunks, received.content.content_key) == (b"", (), b"")
    (record,) = await OperatorDesk(licensed).audit(AuditAction.LICENSE_FIELDS_FILTERED)
    assert record.entry.object == received.header.use_id
    assert record.entry.details["fields"] == "1"
    assert [one.levelno for one in caplog.records if "not granted" in one.message] == [logging.ERROR]
    assert "王样例" not in caplog.text


@pytest.mark.req("6.3-14")
async def test_a_licence_system_that_gives_what_was_granted_is_not_reported(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    await licensed_counter.fetch(await granted(licensed_counter, asked_holder, NAME_AND_BORN))

    assert await OperatorDesk(licensed).audit(AuditAction.LICENSE_FIELDS_FILTERED) == []


@pytest.mark.req("6.3-15")
@pytest.mark.parametrize("status", [LicenseStatus.REVOKED, LicenseStatus.SUSPENDED, LicenseStatus.EXPIRED])
async def test_a_licence_that_is_not_in_force_is_not_delivered(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder, status: LicenseStatus
) -> None:
    authorization_id = await granted(licensed_counter, asked_holder, NAME_AND_BORN)
    say_of_all(licensed, status)

    with pytest.raises(LicenseNotValidError) as refused:
        await licensed_counter.fetch(authorization_id)

    assert refused.value.status == status.name
    assert await remaining(licensed_counter, authorization_id) == {1: 1}
    (record,) = await OperatorDesk(licensed).audit(AuditAction.LICENSE_REFUSED)
    assert record.entry.result == "LicenseNotValidError"
    assert [use.state for use in await asked_holder.list_uses()] == [UseState.FAILED]


def say_of_all(node: NodeInMemory, status: LicenseStatus) -> None:
    provider = licences_of(node)
    provider.statuses.update({held.sealed.record.license_id: status for held in provider._held})


@pytest.mark.req("6.3-15")
async def test_a_licence_past_its_own_date_is_not_delivered_whatever_the_system_says(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    card = AskedItem(license_type=DRIVING, field_names=("class",))
    asked = await licensed_counter.ask(asked_holder.holder, card)
    await asked_holder.decide(asked.authorization_id, places={1: "310000"})

    with pytest.raises(LicenseNotValidError) as refused:
        await licensed_counter.fetch(asked.authorization_id)

    assert refused.value.status == "EXPIRED"


def spoil(node: NodeInMemory, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the records of a node's folder as somebody at its disk might, and let the provider read them."""
    provider = licences_of(node)
    folder: Path = provider._folder
    for path in (folder / "records").iterdir():
        held = json.loads(path.read_text(encoding="utf-8"))
        change(held)
        path.write_text(json.dumps(held), encoding="utf-8")
    fresh = EmbeddedLicenseProvider(folder, node_id=node.node_id, clock=node.clock, verify_sm2=verify_sm2)
    provider._held = fresh._held


def later_birth(held: dict[str, Any]) -> None:
    fields = held.get("fields", {})
    if "born" in fields:
        fields["born"]["value"] = "1998-02-14"


def other_issuer(held: dict[str, Any]) -> None:
    held["record"]["issuer_name"] = "另一机关"


@pytest.mark.req("6.3-15")
@pytest.mark.parametrize("change", [later_birth, other_issuer])
async def test_a_record_that_is_not_what_its_issuer_sealed_is_not_delivered(
    licensed: NodeInMemory,
    licensed_counter: AskingCounter,
    asked_holder: DecidingHolder,
    change: Callable[[dict[str, Any]], None],
) -> None:
    authorization_id = await granted(licensed_counter, asked_holder, NAME_AND_BORN)
    spoil(licensed, change)

    with pytest.raises(LicenseSealInvalidError):
        await licensed_counter.fetch(authorization_id)

    assert await remaining(licensed_counter, authorization_id) == {1: 1}
    (record,) = await OperatorDesk(licensed).audit(AuditAction.LICENSE_REFUSED)
    assert record.entry.result == "LicenseSealInvalidError"


@pytest.mark.req("6.3-15", "N-25")
@pytest.mark.parametrize("item", [WITH_DOCUMENT, MARRIED], ids=["OFD", "PDF"])
async def test_an_altered_document_is_not_delivered(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder, item: AskedItem
) -> None:
    authorization_id = await granted(licensed_counter, asked_holder, item)
    for path in (licences_of(licensed)._folder / "documents").iterdir():
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(bytes(content))

    with pytest.raises(LicenseSealInvalidError):
        await licensed_counter.fetch(authorization_id)

    assert await remaining(licensed_counter, authorization_id) == {1: 1}


@pytest.mark.req("N-26")
async def test_the_licence_of_a_namesake_is_not_delivered_and_the_alarm_is_raised(
    licensed: NodeInMemory,
    licensed_counter: AskingCounter,
    asked_holder: DecidingHolder,
    caplog: pytest.LogCaptureFixture,
) -> None:
    # Same name, another number: filed under the subject's number by mistake.
    asked = await licensed_counter.ask(asked_holder.holder, AskedItem(license_type=GRADUATION, field_names=("name",)))
    await asked_holder.decide(asked.authorization_id, places={1: "310000"})

    with pytest.raises(HolderMismatchError):
        await licensed_counter.fetch(asked.authorization_id)

    assert await remaining(licensed_counter, asked.authorization_id) == {1: 1}
    (record,) = await OperatorDesk(licensed).audit(AuditAction.LICENSE_REFUSED)
    assert record.entry.result == "HolderMismatchError"
    assert [one.levelno for one in caplog.records if one.message == "licence of somebody else"] == [logging.ERROR]
    assert "420100199006209927" not in caplog.text


@pytest.mark.req("6.3-12")
async def test_a_document_that_breaks_off_while_it_is_read_consumes_nothing(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    authorization_id = await granted(licensed_counter, asked_holder, WITH_DOCUMENT)
    for path in (licences_of(licensed)._folder / "documents").iterdir():
        path.unlink()

    with pytest.raises(LicenseServiceUnavailableError):
        await licensed_counter.fetch(authorization_id)

    assert await remaining(licensed_counter, authorization_id) == {1: 1}


@pytest.mark.req("6.3-18", "6.3-16")
async def test_nothing_of_a_licence_is_kept_after_its_delivery(
    licensed: NodeInMemory,
    licensed_counter: AskingCounter,
    asked_holder: DecidingHolder,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    asked = await licensed_counter.ask(asked_holder.holder, ALL_FIELDS)
    await asked_holder.grant_sensitive(asked.authorization_id, 1, places={1: "310000"})

    received = await licensed_counter.fetch(asked.authorization_id)

    assert received.fields == {"name": "张样例", "born": "1988-02-14", "mother": "王样例"}
    image = licensed.database.image()
    assert OF_THE_LICENCE.in_bytes(image) == set()
    assert received.content.content_key not in image
    for chunk in received.chunks:
        assert chunk.data[:64] not in image
    assert received.header.sealed_content not in image
    assert OF_THE_LICENCE.in_bytes(caplog.text.encode()) == set()


@pytest.mark.req("6.3-16", "6.3-11")
async def test_only_the_registered_key_of_the_application_opens_a_delivery(
    licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    authorization_id = await granted(licensed_counter, asked_holder, NAME_AND_BORN)
    call, command = licensed_counter.fetch_call(authorization_id)
    steps = licensed_counter.node.steps.authorizations
    async with steps.fetching.fetch(call, command) as pieces:
        received = [piece async for piece in pieces]
    stranger = AskingCounter(licensed_counter.counter)

    with pytest.raises(GovcodeError):
        stranger.open(received)

    assert licensed_counter.open(received).fields["born"] == "1988-02-14"


@pytest.mark.req("N-25")
async def test_a_copy_says_whom_and_what_it_is_for(
    licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    received = await licensed_counter.fetch(await granted(licensed_counter, asked_holder, WITH_DOCUMENT))

    assert received.content.mark == "仅限政务服务中心用于新生儿落户，2026-12-01 16:00"


async def test_a_node_without_a_licence_system_says_so_and_consumes_nothing(regions: Regions) -> None:
    asked = await regions.counter.ask(regions.holder.holder, NAME_AND_BORN)
    await regions.holder.decide(asked.authorization_id, places={1: "110000"})

    with pytest.raises(PeerRefusedError) as refused:
        await regions.counter.fetch(asked.authorization_id)

    assert refused.value.reason == "LicenseServiceUnavailableError"
    assert await remaining(regions.counter, asked.authorization_id) == {1: 1}


@pytest.mark.req("6.3-12")
async def test_too_many_deliveries_at_once_are_put_off(
    licensed: NodeInMemory,
    licensed_counter: AskingCounter,
    asked_holder: DecidingHolder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    authorization_id = await granted(licensed_counter, asked_holder, NAME_AND_BORN, max_uses=30)
    provider, go_on = licences_of(licensed), asyncio.Event()
    fetch = provider.fetch

    async def slow(*args: Any, **wish: Any) -> Any:
        await go_on.wait()
        return await fetch(*args, **wish)

    monkeypatch.setattr(provider, "fetch", slow)
    running = [asyncio.ensure_future(licensed_counter.fetch(authorization_id)) for _ in range(MOST_DELIVERIES + 2)]
    refused, _ = await asyncio.wait(running, timeout=10, return_when=asyncio.FIRST_EXCEPTION)
    while len(refused) < 2:
        more, _ = await asyncio.wait(set(running) - refused, timeout=10, return_when=asyncio.FIRST_EXCEPTION)
        refused |= more
    go_on.set()
    outcomes = await asyncio.gather(*running, return_exceptions=True)

    errors = [one for one in outcomes if isinstance(one, BaseException)]
    assert [type(one) for one in errors] == [OverloadedError, OverloadedError]
    assert await remaining(licensed_counter, authorization_id) == {1: 30 - MOST_DELIVERIES}
    await licensed_counter.fetch(authorization_id)


class FromHome:
    """The home node as the licence node meets it: its grant and its request, true or not."""

    def __init__(self, regions: Regions, authorization_id: str, grant: bytes) -> None:
        self.regions = regions
        self.authorization_id = authorization_id
        self.grant = grant

    async def request(self, **changes: Any) -> LicenseUseRequest:
        regions, use_id = self.regions, "us_" + "5" * 32
        bundle = regions.home.trust.bundle()
        assert bundle is not None
        key = bundle.encryption_key("310000", at=regions.home.clock.now())
        assert key is not None
        locator = Locator(name="张样例", number="420100198802149916", source=LocatorSource.STORE)
        sealed = await regions.home.keyring.seal_to_public(
            key.public_key, WireLicenseCodec().dump_locator(locator), use_id.encode()
        )
        request = LicenseUseRequest(
            authorization_id=self.authorization_id,
            use_id=use_id,
            from_node="420100",
            to_node="310000",
            app_id=regions.counter.counter.app_id,
            biz_serial="forged",
            matter_code=MATTER,
            item_no=1,
            recipient_key=regions.counter.key.public_key.to_point(),
            item=DecidedItem(item_no=1, asked=NAME_AND_BORN, sensitive=False, granted=True, license_node="310000"),
            sealed_locator=sealed,
            requested_at=regions.home.clock.now(),
            mark="x",
        )
        return replace(request, **changes)

    async def refusal(self, *, grant: bytes | None = None, **changes: Any) -> str:
        with pytest.raises(PeerRefusedError) as refused:
            await self.send(grant=grant, **changes)
        return refused.value.reason

    async def send(self, *, grant: bytes | None = None, **changes: Any) -> list[Any]:
        home = self.regions.home
        evidence = await home.attestor.attest(EvidencePurpose.LICENSE_USE, await self.request(**changes))
        call: Call = self.regions.counter.fetch_call(self.authorization_id)[0]
        async with home.peers.forward_license_fetch(
            "310000", request=evidence, grant=self.grant if grant is None else grant, call=call
        ) as pieces:
            return [piece async for piece in pieces]


@pytest.fixture
async def from_home(regions: Regions) -> FromHome:
    asked = await regions.counter.ask(regions.holder.holder, NAME_AND_BORN)
    decided = await regions.holder.decide(asked.authorization_id, places={1: "310000"})
    return FromHome(regions, asked.authorization_id, decided.grant)


async def test_a_right_request_is_delivered(from_home: FromHome) -> None:
    pieces = await from_home.send()

    assert isinstance(pieces[0], DeliveryHeader)


@pytest.mark.req("6.3-11", "6.3-16", "6.3-20")
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"authorization_id": "au_" + "7" * 32}, AudienceMismatchError),
        ({"app_id": "other-app"}, AudienceMismatchError),
        ({"matter_code": "M-0002"}, MatterMismatchError),
        (
            {
                "item_no": 2,
                "item": DecidedItem(item_no=2, asked=MARRIED, sensitive=False, granted=True, license_node="310000"),
            },
            ItemNotGrantedError,
        ),
        (
            {"item": DecidedItem(item_no=1, asked=ALL_FIELDS, sensitive=True, granted=True, license_node="310000")},
            ItemNotGrantedError,
        ),
    ],
    ids=["another authorization", "another application", "another matter", "another item", "a wider item"],
)
async def test_the_licence_node_itself_holds_a_request_to_its_grant(
    from_home: FromHome, changes: dict[str, Any], reason: type[Exception]
) -> None:
    assert await from_home.refusal(**changes) == reason.__name__
    assert from_home.regions.federation.pieces == []
    (record,) = await OperatorDesk(from_home.regions.licensing).audit(AuditAction.LICENSE_REFUSED)
    assert record.entry.result == reason.__name__


@pytest.mark.req("6.3-11")
async def test_the_licence_node_itself_looks_at_the_time_of_the_grant(from_home: FromHome, clock: MovableClock) -> None:
    clock.advance(timedelta(minutes=10))

    assert await from_home.refusal() == GrantExpiredError.__name__


@pytest.mark.req("6.3-11")
async def test_a_grant_that_another_node_signed_opens_nothing(from_home: FromHome) -> None:
    regions = from_home.regions
    read = await regions.home.reader.read(from_home.grant, purpose=EvidencePurpose.GRANT, kind=Grant)
    in_anothers_name = await regions.visited.attestor.attest(EvidencePurpose.GRANT, read.statement)
    in_its_own = await regions.visited.attestor.attest(
        EvidencePurpose.GRANT, replace(read.statement, home_node="110000", visited_node="110000")
    )

    for forged in (in_anothers_name, in_its_own, b"", from_home.grant[:-1]):
        assert await from_home.refusal(grant=forged) in REFUSED
    assert regions.federation.pieces == []


@pytest.mark.req("6.3-11")
async def test_the_visited_node_cannot_pass_over_the_home_node(from_home: FromHome) -> None:
    regions = from_home.regions
    request = await from_home.request(from_node="110000")
    evidence = await regions.visited.attestor.attest(EvidencePurpose.LICENSE_USE, request)
    call = regions.counter.fetch_call(from_home.authorization_id)[0]

    with pytest.raises(PeerRefusedError) as refused:
        async with regions.visited.peers.forward_license_fetch(
            "310000", request=evidence, grant=from_home.grant, call=call
        ):
            pytest.fail("delivered")

    assert refused.value.reason == "EvidenceRefusedError"


async def test_a_request_without_a_locator_is_refused(from_home: FromHome) -> None:
    assert await from_home.refusal(sealed_locator=b"") == "InvalidFieldError"


@pytest.mark.req("N-21")
async def test_a_locator_opens_for_its_own_use_alone(from_home: FromHome) -> None:
    reason = await from_home.refusal(use_id="us_" + "6" * 32)

    assert reason not in {"HolderMismatchError", "LicenseNotFoundError"}
    assert from_home.regions.federation.pieces == []


@pytest.mark.req("6.3-13")
async def test_a_licence_node_that_keeps_a_copy_refuses_what_it_knows_to_be_withdrawn(regions: Regions) -> None:
    """Beijing is both: the node of the counter, and of a licence that is in force."""
    home = regions.home
    withdrawal = Withdrawal(
        authorization_id="au_" + "7" * 32,
        home_node="420100",
        withdrawn_at=home.clock.now(),
        reason=WithdrawalReason.ACCOUNT_CLOSED,
    )
    evidence = await home.attestor.attest(EvidencePurpose.WITHDRAWAL, withdrawal)
    asked = await regions.counter.ask(regions.holder.holder, NAME_AND_BORN)
    decided = await regions.holder.decide(asked.authorization_id, places={1: "110000"})
    await regions.counter.get(asked.authorization_id)
    await regions.visited.database.run(
        lambda tx: tx.authorizations.withdraw(asked.authorization_id, at=home.clock.now(), withdrawal=evidence)
    )
    from_home = FromHome(regions, asked.authorization_id, decided.grant)
    request = await from_home.request(to_node="110000")
    signed = await home.attestor.attest(EvidencePurpose.LICENSE_USE, request)
    bundle = regions.home.trust.bundle()
    assert bundle is not None
    key = bundle.encryption_key("110000", at=home.clock.now())
    assert key is not None
    locator = WireLicenseCodec().dump_locator(Locator(name="n", number="1", source=LocatorSource.STORE))
    sealed = await home.keyring.seal_to_public(key.public_key, locator, request.use_id.encode())
    signed = await home.attestor.attest(
        EvidencePurpose.LICENSE_USE,
        replace(request, sealed_locator=sealed, item=decided.items[0]),
    )
    call = regions.counter.fetch_call(asked.authorization_id)[0]

    with pytest.raises(PeerRefusedError) as refused:
        async with home.peers.forward_license_fetch("110000", request=signed, grant=decided.grant, call=call):
            pytest.fail("delivered")

    assert refused.value.reason == GrantWithdrawnError.__name__


def order_of(**request: Any) -> DeliveryOrder:
    item = DecidedItem(item_no=1, asked=NAME_AND_BORN, sensitive=False, granted=True)
    grant = Grant(
        authorization_id="au_1",
        home_node="420100",
        visited_node="110000",
        app_id="app",
        relying_party_uscc="91420100MA9TEXT198",
        matter_code=MATTER,
        items=(item,),
        max_uses=1,
        starts_at=OPENING,
        ends_at=OPENING + timedelta(minutes=10),
        legal_basis=LegalBasis.CONSENT,
    )
    values: dict[str, Any] = {
        "authorization_id": "au_1",
        "use_id": "us_1",
        "from_node": "420100",
        "to_node": "310000",
        "app_id": "app",
        "biz_serial": "1",
        "matter_code": MATTER,
        "item_no": 1,
        "recipient_key": b"",
        "item": item,
        "requested_at": OPENING,
        **request,
    }
    return DeliveryOrder(
        request=LicenseUseRequest(**values),
        request_digest=b"",
        grant=grant,
        locator=Locator(name="n", number="1", source=LocatorSource.STORE),
        record_leg=False,
    )


@pytest.mark.req("6.3-11")
@pytest.mark.parametrize(
    ("at", "held"),
    [
        (timedelta(milliseconds=-1), False),
        (timedelta(), True),
        (timedelta(minutes=10, milliseconds=-1), True),
        (timedelta(minutes=10), False),
    ],
)
def test_an_order_holds_from_the_begin_of_the_grant_and_not_at_its_end(at: timedelta, held: bool) -> None:
    if held:
        assert check_order(order_of(), now=OPENING + at).item_no == 1
        return
    with pytest.raises(GrantExpiredError):
        check_order(order_of(), now=OPENING + at)


@pytest.mark.req("6.3-11")
def test_an_order_names_the_item_as_it_was_granted() -> None:
    for item in (None, DecidedItem(item_no=1, asked=MARRIED, sensitive=False, granted=True)):
        with pytest.raises(ItemNotGrantedError):
            check_order(order_of(item=item), now=OPENING)


@pytest.mark.req("6.3-17")
async def test_what_is_kept_of_a_delivery_names_no_licence(regions: Regions) -> None:
    asked = await regions.counter.ask(regions.holder.holder, NAME_AND_BORN)
    await regions.holder.decide(asked.authorization_id, places={1: "310000"})
    received = await regions.counter.fetch(asked.authorization_id)

    read = await regions.visited.reader.read(
        received.delivery, purpose=EvidencePurpose.LICENSE_DELIVERY, kind=LicenseDelivery
    )

    assert (read.statement.field_names, read.statement.document) == (("name", "born"), False)
    assert len(read.statement.license_ref) == 16
    assert OF_THE_LICENCE.in_bytes(received.delivery) == set()
