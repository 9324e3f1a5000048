"""The hub's registry: registration, approval, suspension, and the bundle that says so to everybody."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from govcode_node.domain.audit import AuditAction
from govcode_node.domain.callers import IdentityMismatchError
from govcode_node.domain.errors import InvalidFieldError, StoreUnavailableError, StreamLimitError
from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.domain.keys import KeyUnavailableError
from govcode_node.domain.nodes import (
    NodeKeyPurpose,
    NodeRegistration,
    NodeState,
    NodeStateConflictError,
    NodeSuspendedError,
    NodeUnknownError,
    PrefixConflictError,
    RevocationListDigest,
)
from govcode_node.domain.recognition import EvidenceRefusedError
from govcode_node.domain.regions import RegionCode
from govcode_node.domain.routes import NoRouteError, RouteEntry, TrustBundleMissingError
from kit.hub_fakes import HUB, HubKit, NodeKit, node_call, operator_call, public_key


@pytest.fixture
def hub() -> Iterator[HubKit]:
    kit = HubKit(sign_of_life=0.01)
    yield kit
    kit.close()


@pytest.fixture
def wuhan(hub: HubKit) -> NodeKit:
    return NodeKit("420100", hub.clock)


@pytest.fixture
def beijing(hub: HubKit) -> NodeKit:
    return NodeKit("110000", hub.clock, prefixes=("11",))


async def register(hub: HubKit, node: NodeKit, **changes: object) -> None:
    registration = replace(node.registration(), **changes)  # type: ignore[arg-type]
    await hub.registry.register(node.call, await node.signed_registration(registration))


@pytest.mark.req("7.3-01")
async def test_registered_node_waits_and_stands_in_no_bundle_until_approved(hub: HubKit, wuhan: NodeKit) -> None:
    node = await hub.registry.register(wuhan.call, await wuhan.signed_registration())
    assert node.trust.state is NodeState.JOINING
    await hub.registry.issue_bundle()
    before = await hub.bundle()
    assert before.node("420100") is None
    assert before.home_of(RegionCode("420106")) is None

    approved, version = await hub.registry.approve(
        operator_call(), node_id="420100", key_id=wuhan.sign_key_id, prefixes=("4201",)
    )
    after = await hub.bundle()
    assert approved.trust.state is NodeState.ACTIVE
    assert approved.state_operator == "security"
    assert after.version == version > before.version
    assert after.home_of(RegionCode("420106")) == "420100"


@pytest.mark.req("7.3-01")
async def test_approval_names_the_registered_key_or_fails(hub: HubKit, wuhan: NodeKit, beijing: NodeKit) -> None:
    await register(hub, wuhan)
    with pytest.raises(NodeStateConflictError):
        await hub.registry.approve(operator_call(), node_id="420100", key_id=beijing.sign_key_id, prefixes=("4201",))
    encrypt = public_key("420100 encrypt", NodeKeyPurpose.ENCRYPT).key_id
    with pytest.raises(NodeStateConflictError):
        await hub.registry.approve(operator_call(), node_id="420100", key_id=encrypt, prefixes=("4201",))
    with pytest.raises(NodeUnknownError):
        await hub.registry.approve(operator_call(), node_id="430000", key_id=wuhan.sign_key_id, prefixes=("4201",))


async def test_node_is_approved_once(hub: HubKit, wuhan: NodeKit) -> None:
    await hub.join(wuhan)
    with pytest.raises(NodeStateConflictError):
        await hub.registry.approve(operator_call(), node_id="420100", key_id=wuhan.sign_key_id, prefixes=("4201",))


@pytest.mark.req("7.3-01")
async def test_node_registers_itself_alone(hub: HubKit, wuhan: NodeKit) -> None:
    evidence = await wuhan.signed_registration()
    with pytest.raises(IdentityMismatchError):
        await hub.registry.register(node_call("310000"), evidence)


async def test_registration_signed_by_another_key_is_refused(hub: HubKit, wuhan: NodeKit) -> None:
    wuhan.signer.key_name = "a stranger"
    with pytest.raises(EvidenceRefusedError):
        await hub.registry.register(wuhan.call, await wuhan.signed_registration())


@pytest.mark.req("7.3-05")
async def test_prefix_of_another_node_is_refused_and_a_longer_one_is_not(hub: HubKit, wuhan: NodeKit) -> None:
    await hub.join(wuhan)
    rival = NodeKit("420200", hub.clock, prefixes=("4202", "4201"))
    with pytest.raises(PrefixConflictError) as caught:
        await register(hub, rival)
    assert (caught.value.prefix, caught.value.node_id) == ("4201", "420100")
    province = NodeKit("420000", hub.clock, prefixes=("42",))
    await hub.join(province)
    bundle = await hub.bundle()
    assert bundle.home_of(RegionCode("420106")) == "420100"
    assert bundle.home_of(RegionCode("420200")) == "420000"


@pytest.mark.req("7.3-05")
async def test_prefix_of_a_node_that_still_waits_is_taken_too(hub: HubKit, wuhan: NodeKit) -> None:
    await register(hub, wuhan)
    with pytest.raises(PrefixConflictError):
        await register(hub, NodeKit("420000", hub.clock, prefixes=("4201",)))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"region_code": RegionCode("420000")}, "region_code"),
        ({"prefixes": ("42", "42")}, "prefixes"),
        ({"prefixes": ("421",)}, "prefixes"),
        ({"prefixes": ("00",)}, "prefixes"),
        ({"protocol_versions": (2,)}, "protocol_versions"),
        ({"endpoints": ()}, "endpoints"),
    ],
)
async def test_registration_of_another_form_is_refused(
    hub: HubKit, wuhan: NodeKit, changes: dict[str, object], field: str
) -> None:
    with pytest.raises(InvalidFieldError) as caught:
        await register(hub, wuhan, **changes)
    assert caught.value.field == field


@pytest.mark.parametrize("lacking", [NodeKeyPurpose.SIGN, NodeKeyPurpose.ENCRYPT])
async def test_registration_needs_keys_to_sign_and_to_encrypt(
    hub: HubKit, wuhan: NodeKit, lacking: NodeKeyPurpose
) -> None:
    keys = tuple(key for key in wuhan.keys if key.purpose is not lacking)
    with pytest.raises((InvalidFieldError, EvidenceRefusedError)):
        await register(hub, wuhan, keys=keys)


async def test_second_signing_key_cannot_slip_in_beside_the_compared_one(hub: HubKit, wuhan: NodeKit) -> None:
    second = public_key("another", NodeKeyPurpose.SIGN)
    with pytest.raises(InvalidFieldError):
        await register(hub, wuhan, keys=(*wuhan.keys, second))
    ended = replace(second, ends_at=hub.clock.now() - timedelta(days=1))
    await register(hub, wuhan, keys=(*wuhan.keys, ended))


async def test_new_endpoints_of_an_active_node_go_out_at_once(hub: HubKit, wuhan: NodeKit) -> None:
    await hub.join(wuhan)
    before = await hub.bundle()
    await register(hub, wuhan, endpoints=("elsewhere:7443",))
    after = await hub.bundle()
    node = after.node("420100")
    assert after.version > before.version
    assert node is not None
    assert node.endpoints == ("elsewhere:7443",)
    assert node.state is NodeState.ACTIVE


async def test_same_registration_again_changes_nothing_and_writes_nothing(hub: HubKit, wuhan: NodeKit) -> None:
    await hub.join(wuhan)
    version, entries = hub.registry.bundle_version, len(await hub.audit())
    await register(hub, wuhan)
    assert hub.registry.bundle_version == version
    assert len(await hub.audit()) == entries


def with_another_encryption_key(registration: NodeRegistration) -> NodeRegistration:
    sign, _ = registration.keys
    return replace(registration, keys=(sign, public_key("new encrypt", NodeKeyPurpose.ENCRYPT)))


@pytest.mark.req("7.3-01")
async def test_approved_signing_key_vouches_for_the_nodes_other_keys(hub: HubKit, wuhan: NodeKit) -> None:
    await hub.join(wuhan)
    before = hub.registry.bundle_version
    changed = with_another_encryption_key(wuhan.registration())
    node = await hub.registry.register(wuhan.call, await wuhan.signed_registration(changed))
    assert node.trust.state is NodeState.ACTIVE
    assert node.trust.keys == changed.keys
    assert node.state_operator == "security"
    trusted = (await hub.bundle()).node("420100")
    assert trusted is not None
    assert trusted.keys == changed.keys
    assert hub.registry.bundle_version > before


def other_signing_key(node: NodeKit, hub: HubKit) -> NodeKit:
    return NodeKit(node.node_id, hub.clock, prefixes=node.prefixes, sign_key="new sign")


@pytest.mark.req("7.3-01")
async def test_another_signing_key_waits_for_approval_and_the_approved_one_stays_in_force(
    hub: HubKit, wuhan: NodeKit
) -> None:
    await hub.join(wuhan)
    renewed = other_signing_key(wuhan, hub)
    node = await hub.registry.register(renewed.call, await renewed.signed_registration())
    assert node.trust.state is NodeState.JOINING
    await hub.registry.issue_bundle()
    trusted = (await hub.bundle()).node("420100")
    assert trusted is not None
    assert trusted.keys == wuhan.keys
    assert trusted.state is NodeState.ACTIVE

    with pytest.raises(NodeStateConflictError):
        await hub.registry.approve(operator_call(), node_id="420100", key_id=wuhan.sign_key_id, prefixes=("4201",))
    approved, _ = await hub.registry.approve(
        operator_call(), node_id="420100", key_id=renewed.sign_key_id, prefixes=("4201",)
    )
    trusted = (await hub.bundle()).node("420100")
    assert trusted is not None
    assert trusted.keys == renewed.keys == approved.trust.keys
    assert approved.in_force is None
    assert await hub.database.read(lambda tx: tx.hub.node("420100")) == approved


@pytest.mark.req("7.3-01")
async def test_other_prefixes_wait_for_approval_and_the_approved_ones_stay_in_force(
    hub: HubKit, wuhan: NodeKit
) -> None:
    await hub.join(wuhan)
    changed = replace(wuhan.registration(), prefixes=("4203",))
    node = await hub.registry.register(wuhan.call, await wuhan.signed_registration(changed))
    assert node.trust.state is NodeState.JOINING
    bundle = await hub.bundle()
    assert bundle.home_of(RegionCode("420106")) == "420100"
    assert bundle.home_of(RegionCode("420300")) is None
    for taken in ("4201", "4203"):
        with pytest.raises(PrefixConflictError):
            await register(hub, NodeKit("420000", hub.clock, prefixes=(taken,)))
    await hub.registry.approve(operator_call(), node_id="420100", key_id=wuhan.sign_key_id, prefixes=("4203",))
    bundle = await hub.bundle()
    assert bundle.home_of(RegionCode("420106")) is None
    assert bundle.home_of(RegionCode("420300")) == "420100"


async def test_node_that_says_again_what_was_approved_needs_no_new_approval(hub: HubKit, wuhan: NodeKit) -> None:
    await hub.join(wuhan)
    renewed = other_signing_key(wuhan, hub)
    for _ in range(2):
        await hub.registry.register(renewed.call, await renewed.signed_registration())
    entries = len(await hub.audit())
    await hub.registry.register(renewed.call, await renewed.signed_registration())
    assert len(await hub.audit()) == entries
    back = await hub.registry.register(wuhan.call, await wuhan.signed_registration())
    assert back.trust.state is NodeState.ACTIVE
    assert back.in_force is None


async def test_node_whose_renewal_waits_can_be_suspended_with_the_keys_that_peers_trust(
    hub: HubKit, wuhan: NodeKit
) -> None:
    await hub.join(wuhan)
    renewed = other_signing_key(wuhan, hub)
    await hub.registry.register(renewed.call, await renewed.signed_registration())
    await hub.registry.suspend(operator_call(), node_id="420100", reason="key lost")
    trusted = (await hub.bundle()).node("420100")
    assert trusted is not None
    assert trusted.state is NodeState.SUSPENDED
    assert trusted.keys == wuhan.keys
    with pytest.raises(NodeSuspendedError):
        await hub.registry.register(renewed.call, await renewed.signed_registration())


async def test_signing_key_that_has_ended_vouches_for_nothing(hub: HubKit, wuhan: NodeKit) -> None:
    ended = replace(public_key("old sign", NodeKeyPurpose.SIGN), ends_at=hub.clock.now() - timedelta(days=1))
    registration = replace(wuhan.registration(), keys=(*wuhan.keys, ended))
    await register(hub, wuhan, keys=registration.keys)
    await hub.registry.approve(operator_call(), node_id="420100", key_id=wuhan.sign_key_id, prefixes=("4201",))
    wuhan.signer.key_name = "old sign"
    with pytest.raises(EvidenceRefusedError):
        await hub.registry.register(wuhan.call, await wuhan.signed_registration(registration))


async def test_second_worker_of_the_hub_knows_what_is_in_force(hub: HubKit, wuhan: NodeKit) -> None:
    await hub.join(wuhan)
    renewed = other_signing_key(wuhan, hub)
    await hub.registry.register(renewed.call, await renewed.signed_registration())
    other = hub.make_registry()
    await other.issue_bundle()
    assert await other.newest_bundle() is not None
    assert other.resolve_route(RegionCode("420106"))[0].node_id == "420100"


async def test_suspended_node_stays_in_the_bundle_as_suspended_with_its_routes(hub: HubKit, wuhan: NodeKit) -> None:
    await hub.join(wuhan)
    node, version = await hub.registry.suspend(operator_call(), node_id="420100", reason="key lost")
    bundle = await hub.bundle()
    trusted = bundle.node("420100")
    assert node.trust.state is NodeState.SUSPENDED
    assert bundle.version == version
    assert trusted is not None
    assert trusted.state is NodeState.SUSPENDED
    assert bundle.home_of(RegionCode("420106")) == "420100"
    with pytest.raises(NodeSuspendedError):
        await register(hub, wuhan)
    back, _ = await hub.registry.approve(
        operator_call(), node_id="420100", key_id=wuhan.sign_key_id, prefixes=("4201",)
    )
    assert back.trust.state is NodeState.ACTIVE


async def test_suspension_needs_a_reason_and_an_active_node(hub: HubKit, wuhan: NodeKit) -> None:
    await register(hub, wuhan)
    with pytest.raises(NodeStateConflictError):
        await hub.registry.suspend(operator_call(), node_id="420100", reason="waits")
    for reason in ("", "x" * 201):
        with pytest.raises(InvalidFieldError):
            await hub.registry.suspend(operator_call(), node_id="420100", reason=reason)
    with pytest.raises(NodeUnknownError):
        await hub.registry.suspend(operator_call(), node_id=HUB, reason="no")


async def test_each_act_stands_in_the_audit_trail_with_its_actor(hub: HubKit, wuhan: NodeKit) -> None:
    await hub.join(wuhan)
    await hub.registry.suspend(operator_call("chen"), node_id="420100", reason="drill")
    facts = [(record.entry.action, record.entry.actor, record.entry.object) for record in await hub.audit()]
    assert facts == [
        (AuditAction.NODE_REGISTERED, "420100", "420100"),
        (AuditAction.NODE_APPROVED, "security", "420100"),
        (AuditAction.BUNDLE_ISSUED, HUB, "1"),
        (AuditAction.NODE_SUSPENDED, "chen", "420100"),
        (AuditAction.BUNDLE_ISSUED, HUB, "2"),
    ]


async def test_refused_registration_leaves_nothing_behind(hub: HubKit, wuhan: NodeKit) -> None:
    await hub.join(wuhan)
    before = len(await hub.audit())
    with pytest.raises(PrefixConflictError):
        await register(hub, NodeKit("420000", hub.clock, prefixes=("4201",)))
    assert len(await hub.audit()) == before
    assert len(await hub.database.read(lambda tx: tx.hub.nodes())) == 1


@pytest.mark.req("7.3-03")
async def test_bundle_is_signed_by_the_hub_for_that_purpose_and_its_version_grows(hub: HubKit, wuhan: NodeKit) -> None:
    versions = [await hub.registry.issue_bundle() for _ in range(3)]
    assert versions == sorted(set(versions))
    own = (await hub.bundle()).node(HUB)
    assert own is not None
    assert own.keys == hub.node.keys
    forged = await wuhan.attestor.attest(EvidencePurpose.TRUST_BUNDLE, await hub.bundle())
    with pytest.raises(EvidenceRefusedError):
        await hub.reader.read_bundle(forged)


async def test_bundle_is_made_anew_after_ten_minutes_and_not_before(hub: HubKit) -> None:
    await hub.registry.reissue_if_due()
    first = hub.registry.bundle_version
    hub.clock.advance(timedelta(minutes=10) - timedelta(seconds=1))
    await hub.registry.reissue_if_due()
    assert hub.registry.bundle_version == first
    hub.clock.advance(1)
    await hub.registry.reissue_if_due()
    assert hub.registry.bundle_version == first + 1


async def test_suspension_goes_out_later_if_the_hub_could_not_sign_it_at_once(hub: HubKit, wuhan: NodeKit) -> None:
    await hub.join(wuhan)
    hub.node.signer.broken = True
    with pytest.raises(KeyUnavailableError):
        await hub.registry.suspend(operator_call(), node_id="420100", reason="key lost")
    hub.node.signer.broken = False
    await hub.registry.reissue_if_due()
    trusted = (await hub.bundle()).node("420100")
    assert trusted is not None
    assert trusted.state is NodeState.SUSPENDED


async def test_store_that_is_down_registers_nobody(hub: HubKit, wuhan: NodeKit) -> None:
    hub.database.fault = StoreUnavailableError("gone")
    with pytest.raises(StoreUnavailableError):
        await register(hub, wuhan)


async def test_many_changes_at_once_share_bundles(hub: HubKit) -> None:
    await asyncio.gather(*(hub.registry.issue_bundle() for _ in range(50)))
    assert hub.registry.bundle_version <= 3


async def test_digests_of_revocation_lists_stand_in_the_bundle(hub: HubKit, wuhan: NodeKit) -> None:
    digest = RevocationListDigest(list_time=hub.clock.now(), digest=b"d" * 32)
    hub.settings["list_digests"] = lambda: {"420100": digest}  # type: ignore[assignment]
    hub.registry = hub.make_registry()
    await hub.join(wuhan)
    node = (await hub.bundle()).node("420100")
    assert node is not None
    assert node.revocation_list == digest


async def test_newest_bundle_is_left_out_for_who_has_it(hub: HubKit) -> None:
    with pytest.raises(TrustBundleMissingError):
        await hub.registry.newest_bundle()
    version = await hub.registry.issue_bundle()
    assert await hub.registry.newest_bundle(version) is None
    assert await hub.registry.newest_bundle(version - 1) is not None


async def test_other_worker_of_the_hub_finds_the_bundle_in_the_store(hub: HubKit) -> None:
    await hub.registry.issue_bundle()
    other = hub.make_registry()
    await other.catch_up()
    assert other.bundle_version == hub.registry.bundle_version
    assert await other.newest_bundle() == await hub.registry.newest_bundle()


async def next_of(stream: AsyncIterator[bytes | None]) -> bytes | None:
    async with asyncio.timeout(5):
        return await anext(stream)


async def next_bundle(stream: AsyncIterator[bytes | None]) -> bytes:
    while (bundle := await next_of(stream)) is None:
        pass
    return bundle


async def test_watcher_gets_the_newest_bundle_then_each_new_one_and_signs_of_life(hub: HubKit) -> None:
    await hub.registry.issue_bundle()
    stream = hub.registry.watch_bundles(0)
    assert await next_of(stream) == await hub.registry.newest_bundle()
    assert await next_of(stream) is None
    await hub.registry.issue_bundle()
    assert await next_bundle(stream) == await hub.registry.newest_bundle()


async def test_slow_watcher_gets_the_newest_bundle_only(hub: HubKit) -> None:
    await hub.registry.issue_bundle()
    stream = hub.registry.watch_bundles(0)
    await next_of(stream)
    for _ in range(5):
        await hub.registry.issue_bundle()
    assert await next_bundle(stream) == await hub.registry.newest_bundle()
    assert await next_of(stream) is None


async def test_watchers_are_limited_and_leave_when_they_go(hub: HubKit) -> None:
    hub.settings["max_watchers"] = 1
    registry = hub.make_registry()
    await registry.issue_bundle()
    stream = registry.watch_bundles(0)
    await anext(stream)
    with pytest.raises(StreamLimitError):
        await anext(registry.watch_bundles(0))
    await stream.aclose()  # type: ignore[attr-defined]
    assert await anext(registry.watch_bundles(0)) is not None


async def test_watching_without_any_bundle_says_so(hub: HubKit) -> None:
    with pytest.raises(TrustBundleMissingError):
        await anext(hub.registry.watch_bundles(0))


async def test_route_is_found_by_the_longest_prefix(hub: HubKit, wuhan: NodeKit) -> None:
    await hub.join(wuhan)
    await hub.join(NodeKit("420000", hub.clock, prefixes=("42",)))
    version = hub.registry.bundle_version
    assert hub.registry.resolve_route(RegionCode("420106")) == (RouteEntry("4201", "420100"), version)
    assert hub.registry.resolve_route(RegionCode("420500")) == (RouteEntry("42", "420000"), version)
    with pytest.raises(NoRouteError):
        hub.registry.resolve_route(RegionCode("990000"))


async def test_a_node_is_let_in_only_for_the_prefixes_that_the_operator_saw(hub: HubKit, wuhan: NodeKit) -> None:
    """Between the look and the approval the node registers again, with the same key and a wider claim."""
    await register(hub, wuhan)
    await register(hub, wuhan, prefixes=("4201", "3101"))
    with pytest.raises(NodeStateConflictError):
        await hub.registry.approve(operator_call(), node_id="420100", key_id=wuhan.sign_key_id, prefixes=("4201",))
