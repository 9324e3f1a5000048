"""Registers, scenes, events and the hub's tables, on each kind of database."""

from dataclasses import replace
from datetime import timedelta

from govcode_node.domain.events import AccountClosed, CodeChange, CodeStateChanged, SessionEnded
from govcode_node.domain.nodes import NodeStanding, NodeState, OutcomeCount, StatusSummary
from govcode_node.domain.parties import RegistrationState
from govcode_node.ports.stores import Database, NodeTotals, Transaction
from storage import samples
from storage.samples import LATER, NOW

SECOND = timedelta(seconds=1)


async def test_organisations_are_registered_once_for_a_credit_code(database: Database) -> None:
    party = samples.relying_party()
    double = samples.relying_party(uscc=party.uscc)
    assert await database.run(lambda tx: tx.parties.add_relying_party(party))
    assert not await database.run(lambda tx: tx.parties.add_relying_party(double))
    assert await database.read(lambda tx: tx.parties.relying_party(party.relying_party_id)) == party
    assert await database.read(lambda tx: tx.parties.relying_party(double.relying_party_id)) is None


async def test_applications_and_scanners_are_registered_once(database: Database) -> None:
    application, scanner = samples.application(), samples.scanner()
    bare = samples.application(scene_nos=())

    def add(tx: Transaction) -> list[bool]:
        tx.parties.add_application(bare)
        return [
            tx.parties.add_application(application),
            tx.parties.add_application(replace(application, name="other")),
            tx.parties.add_scanner(scanner),
            tx.parties.add_scanner(replace(scanner, place="other")),
        ]

    assert await database.run(add) == [True, False, True, False]
    assert await database.read(lambda tx: tx.parties.application(application.app_id)) == application
    assert await database.read(lambda tx: tx.parties.application(bare.app_id)) == bare
    assert await database.read(lambda tx: tx.parties.scanner(scanner.device_id)) == scanner
    assert await database.read(lambda tx: tx.parties.scanner("none")) is None


async def test_registers_are_paged_by_id(database: Database) -> None:
    parties = [samples.relying_party(relying_party_id=f"rp-{number}") for number in range(3)]
    applications = [samples.application(app_id=f"app-{number}") for number in range(3)]
    scanners = [samples.scanner(device_id=f"gate-{number}") for number in range(3)]

    def add(tx: Transaction) -> None:
        for number in (2, 0, 1):
            tx.parties.add_relying_party(parties[number])
            tx.parties.add_application(applications[number])
            tx.parties.add_scanner(scanners[number])

    await database.run(add)
    assert await database.read(lambda tx: tx.parties.relying_parties(after="", limit=2)) == parties[:2]
    assert await database.read(lambda tx: tx.parties.relying_parties(after="rp-1", limit=2)) == parties[2:]
    assert await database.read(lambda tx: tx.parties.applications(after="app-0", limit=5)) == applications[1:]
    assert await database.read(lambda tx: tx.parties.scanners(after="gate-2", limit=5)) == []


async def test_a_registration_moves_only_from_the_state_that_was_named(database: Database) -> None:
    party, application, scanner = samples.relying_party(), samples.application(), samples.scanner()
    states = {"present": RegistrationState.APPLIED, "target": RegistrationState.APPROVED}

    def add(tx: Transaction) -> None:
        tx.parties.add_relying_party(party)
        tx.parties.add_application(application)
        tx.parties.add_scanner(scanner)

    def move(tx: Transaction) -> list[bool]:
        return [
            tx.parties.move_relying_party(party.relying_party_id, **states),
            tx.parties.move_application(application.app_id, **states),
            tx.parties.move_scanner(scanner.device_id, **states),
        ]

    await database.run(add)
    assert await database.run(move) == [True] * 3
    assert await database.run(move) == [False] * 3
    moved = await database.read(lambda tx: tx.parties.application(application.app_id))
    assert moved == replace(application, state=RegistrationState.APPROVED)


async def test_scenes_get_the_next_version_and_hold_from_their_time(database: Database) -> None:
    first = await database.run(lambda tx: tx.scenes.add(samples.scene()))
    second = await database.run(lambda tx: tx.scenes.add(samples.scene(name="新大厅", effective_at=LATER)))
    bare = samples.scene(scene_no=8, validity=None, refresh_after=None, fields=(), one_time=False)
    other = await database.run(lambda tx: tx.scenes.add(bare))
    assert (first, second.version, other) == (samples.scene(version=1), 2, replace(bare, version=1))
    assert await database.read(lambda tx: tx.scenes.in_force(7, now=NOW - SECOND)) is None
    assert await database.read(lambda tx: tx.scenes.in_force(7, now=LATER - SECOND)) == first
    assert await database.read(lambda tx: tx.scenes.in_force(7, now=LATER)) == second
    assert await database.read(lambda tx: tx.scenes.all_in_force(now=NOW, after=0, limit=5)) == [first, other]
    assert await database.read(lambda tx: tx.scenes.all_in_force(now=LATER, after=0, limit=1)) == [second]
    assert await database.read(lambda tx: tx.scenes.all_in_force(now=LATER, after=7, limit=5)) == [other]


async def test_events_come_in_order_with_rising_positions(database: Database) -> None:
    account_id = samples.new_account_id()
    kinds = [
        samples.event().kind,
        CodeStateChanged(code_id=samples.code_id_at(), state=CodeChange.SUPERSEDED),
        SessionEnded(session_id="0123456789abcdef", reason="MOVED_TO_OTHER_DEVICE"),
        AccountClosed(),
    ]
    events = [samples.event(kind=kind, account_id=account_id, happened_at=LATER) for kind in kinds]

    def add(tx: Transaction) -> None:
        for event in events:
            tx.events.add(event)
            tx.events.add(samples.event(app_id="another-app"))

    assert await database.read(lambda tx: tx.events.last_position("citizen-app")) == 0
    await database.run(add)
    found = await database.read(lambda tx: tx.events.after("citizen-app", position=0, limit=10))
    assert [replace(event, position=0) for event in found] == events
    positions = [event.position for event in found]
    assert positions == sorted(set(positions))
    assert positions[0] > 0
    assert await database.read(lambda tx: tx.events.last_position("citizen-app")) == positions[-1]
    rest = await database.read(lambda tx: tx.events.after("citizen-app", position=positions[1], limit=1))
    assert rest == found[2:3]


async def test_nodes_are_replaced_and_moved_only_from_the_states_named(database: Database) -> None:
    node = samples.registered_node()
    newer = samples.registered_node(software_version="0.2.0", revocation_list=None)
    other = samples.registered_node(node_id="310000")
    for each in (other, node, newer):
        await database.run(lambda tx, each=each: tx.hub.put_node(each))
    assert await database.read(lambda tx: tx.hub.nodes()) == [other, newer]

    def move(tx: Transaction) -> bool:
        states = (NodeState.SUSPENDED, NodeState.JOINING)
        return tx.hub.move_node("420102", present=states, target=NodeState.ACTIVE, at=LATER, operator="li")

    assert await database.run(move)
    assert not await database.run(move)
    moved = await database.read(lambda tx: tx.hub.node("420102"))
    expected = replace(newer, trust=replace(newer.trust, state=NodeState.ACTIVE), state_at=LATER, state_operator="li")
    assert moved == expected
    assert await database.read(lambda tx: tx.hub.node("none")) is None


async def test_what_was_approved_is_kept_beside_what_waits(database: Database) -> None:
    approved = samples.registered_node(state=NodeState.ACTIVE)
    standing = NodeStanding(trust=approved.trust, prefixes=approved.prefixes)
    waiting = samples.registered_node(prefixes=("4203",), keys=(), in_force=standing)
    await database.run(lambda tx: tx.hub.put_node(waiting))
    assert await database.read(lambda tx: tx.hub.node("420102")) == waiting


async def test_bundle_versions_only_grow_and_the_newest_is_kept(database: Database) -> None:
    versions = [await database.run(lambda tx: tx.hub.next_bundle_version()) for _ in range(3)]
    assert versions == [1, 2, 3]
    assert await database.read(lambda tx: tx.hub.newest_bundle()) is None
    for version in (1, 3, 2):
        await database.run(lambda tx, version=version: tx.hub.put_bundle(version, b"%d" % version))
    assert await database.read(lambda tx: tx.hub.newest_bundle()) == b"3"


async def test_a_nodes_minute_counts_once(database: Database) -> None:
    outcomes = (
        OutcomeCount(visited_node="420102", home_node="420102", outcome="VALID", count=5),
        OutcomeCount(visited_node="420102", home_node="310000", outcome="VALID", count=2),
        OutcomeCount(visited_node="420102", home_node="", outcome="MALFORMED", count=1),
        OutcomeCount(visited_node="310000", home_node="420102", outcome="VALID", count=9),
    )
    first = StatusSummary(node_id="420102", minute=NOW, codes_issued=10, outcomes=outcomes)
    second = replace(first, minute=NOW + timedelta(minutes=1), outcomes=())
    assert await database.run(lambda tx: tx.hub.add_summary(first))
    assert not await database.run(lambda tx: tx.hub.add_summary(replace(first, codes_issued=99)))
    assert await database.run(lambda tx: tx.hub.add_summary(second))
    totals = await database.read(lambda tx: tx.hub.totals())
    assert totals == [NodeTotals(node_id="420102", codes_issued=20, scans=8, cross_region_scans=2)]


async def test_each_moment_of_a_batch_gets_the_scene_in_force_at_that_moment(database: Database) -> None:
    first = samples.scene(effective_at=NOW)
    second = samples.scene(name="later", effective_at=NOW + 2 * SECOND)
    third = samples.scene(name="at once", effective_at=NOW + SECOND)

    def names(tx: Transaction) -> list[str | None]:
        moments = (NOW, NOW + 2 * SECOND, NOW + SECOND, NOW + 3 * SECOND, NOW - SECOND)
        scenes = [tx.scenes.in_force(first.scene_no, now=moment) for moment in moments]
        return [None if scene is None else scene.name for scene in scenes]

    def change_between(tx: Transaction) -> list[list[str | None]]:
        before = names(tx)
        tx.scenes.add(third)
        return [before, names(tx)]

    await database.run(lambda tx: [tx.scenes.add(first), tx.scenes.add(second)])
    before, after = await database.run(change_between)
    assert before == [first.name, "later", first.name, "later", None]
    assert after == [first.name, "at once", "at once", "at once", None]
