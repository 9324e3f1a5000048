"""What only the hub keeps: nodes, the newest bundle, the nodes' minutes."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, select, text, update
from sqlalchemy.dialects.postgresql import insert

from govcode_node.domain.nodes import (
    NodeKey,
    NodeKeyPurpose,
    NodeStanding,
    NodeState,
    NodeTrust,
    RegisteredNode,
    RevocationListDigest,
    StatusSummary,
)
from govcode_node.domain.regions import RegionCode
from govcode_node.ports.stores import NodeTotals
from govcode_node.storage.batches import Batch
from govcode_node.storage.columns import NODE_STATES, from_ms, from_ms_or_none, to_ms, to_ms_or_none
from govcode_node.storage.statements import (
    Statement,
    constant,
    insert_unless,
    put,
    row_insert,
    row_values,
    value,
)
from govcode_node.storage.tables import bundles, counters, node_totals, nodes, summaries, summary_outcomes

_n = nodes.c
_NODE = Statement(select(nodes).where(_n.node_id == value("id", _n.node_id)), "id")
_NODES = Statement(select(nodes).order_by(_n.node_id))
_PUT_NODE = put(nodes, "node_id")
_MOVE_NODE = Statement(
    update(nodes)
    .where(_n.node_id == value("id", _n.node_id), _n.state == value("present", _n.state))
    .values(
        state=value("target", _n.state),
        state_at=value("at", _n.state_at),
        state_operator=value("by", _n.state_operator),
    ),
    "id",
    "present",
    "target",
    "at",
    "by",
)
_NEXT = Statement(
    insert(counters)
    .values(name=value("counter", counters.c.name), value=constant(1))
    .on_conflict_do_update(index_elements=["name"], set_={"value": text("counters.value + 1")})
    .returning(counters.c.value),
    "counter",
)
_PUT_BUNDLE = put(bundles, "version")
_DROP_OLDER = Statement(delete(bundles).where(bundles.c.version < value("before", bundles.c.version)), "before")
_NEWEST = Statement(
    select(bundles.c.evidence).order_by(bundles.c.version.desc()).limit(constant(1)).offset(constant(0))
)
_ADD_SUMMARY = insert_unless(summaries, "node_id", "minute")
_ADD_OUTCOME = row_insert(summary_outcomes)
_counts = insert(node_totals).values(row_values(node_totals))
_ADD_TOTALS = Statement(
    _counts.on_conflict_do_update(
        index_elements=["node_id"],
        set_={
            name: text(f"node_totals.{name} + excluded.{name}")
            for name in ("codes_issued", "scans", "cross_region_scans")
        },
    ),
    *(column.name for column in node_totals.columns),
)
_TOTALS = Statement(select(node_totals).order_by(node_totals.c.node_id))
_BUNDLE_COUNTER: Final = "trust_bundle"


class SqlHubStore:
    """The hub's tables. Leans on the primary keys."""

    __slots__ = ("_link",)

    def __init__(self, batch: Batch) -> None:
        self._link = batch.link

    def node(self, node_id: str) -> RegisteredNode | None:
        """See the port."""
        row = self._link.one(_NODE, (node_id,))
        return _node(row) if row else None

    def nodes(self) -> Sequence[RegisteredNode]:
        """See the port."""
        return [_node(row) for row in self._link.all(_NODES)]

    def put_node(self, node: RegisteredNode) -> None:
        """See the port."""
        row = (
            node.trust.node_id,
            NODE_STATES.number[node.trust.state],
            json.dumps(_registration(node), ensure_ascii=False, separators=(",", ":")),
            to_ms(node.registered_at),
            to_ms(node.state_at),
            node.state_operator,
        )
        self._link.write(_PUT_NODE, row)

    def move_node(
        self, node_id: str, *, present: Sequence[NodeState], target: NodeState, at: datetime, operator: str
    ) -> bool:
        """See the port."""
        numbers = NODE_STATES.number
        return any(
            self._link.write(_MOVE_NODE, (node_id, numbers[state], numbers[target], to_ms(at), operator)) == 1
            for state in present
        )

    def next_bundle_version(self) -> int:
        """See the port. One counter, moved by one statement."""
        version: int = self._link.write_returning(_NEXT, (_BUNDLE_COUNTER,))[0][0]
        return version

    def put_bundle(self, version: int, evidence: bytes) -> None:
        """See the port. Older ones are dropped; one that comes late does not displace a newer one."""
        self._link.write(_PUT_BUNDLE, (version, evidence))
        self._link.write(_DROP_OLDER, (version,))

    def newest_bundle(self) -> bytes | None:
        """See the port."""
        row = self._link.one(_NEWEST)
        return row[0] if row else None

    def add_summary(self, summary: StatusSummary) -> bool:
        """See the port. The node's totals grow with it, so that nobody adds up millions of minutes."""
        node_id, minute = summary.node_id, to_ms(summary.minute)
        if self._link.write(_ADD_SUMMARY, (node_id, minute, summary.codes_issued)) != 1:
            return False
        rows: list[tuple[Any, ...]] = [
            (node_id, minute, entry.visited_node, entry.home_node, entry.outcome, entry.count)
            for entry in summary.outcomes
        ]
        if rows:
            self._link.write_many(_ADD_OUTCOME, rows)
        # A scan counts where the code was shown; its home node reports the same scan with another visited node.
        here = [entry for entry in summary.outcomes if entry.visited_node == node_id]
        scans = sum(entry.count for entry in here)
        cross_region = sum(entry.count for entry in here if entry.home_node not in {"", node_id})
        self._link.write(_ADD_TOTALS, (node_id, summary.codes_issued, scans, cross_region))
        return True

    def totals(self) -> Sequence[NodeTotals]:
        """See the port."""
        return [
            NodeTotals(node_id=node_id, codes_issued=codes_issued, scans=scans, cross_region_scans=cross_region)
            for node_id, codes_issued, scans, cross_region in self._link.all(_TOTALS)
        ]


def _registration(node: RegisteredNode) -> dict[str, Any]:
    """It makes a JSON object of everything about a node that has no column of its own."""
    facts = _standing_facts(NodeStanding(trust=node.trust, prefixes=node.prefixes))
    facts["software_version"] = node.software_version
    if node.in_force is not None:
        facts["in_force"] = _standing_facts(node.in_force) | {"state": node.in_force.trust.state.value}
    return facts


def _standing_facts(standing: NodeStanding) -> dict[str, Any]:
    trust = standing.trust
    newest = trust.revocation_list
    return {
        "region_code": str(trust.region_code),
        "name_zh": trust.name_zh,
        "name_en": trust.name_en,
        "endpoints": list(trust.endpoints),
        "certificate_name": trust.certificate_name,
        "keys": [
            {
                "key_id": key.key_id,
                "purpose": key.purpose.value,
                "public_key": key.public_key.hex(),
                "key_no": key.key_no,
                "starts_at": to_ms(key.starts_at),
                "ends_at": to_ms_or_none(key.ends_at),
            }
            for key in trust.keys
        ],
        "revocation_list": None
        if newest is None
        else {"list_time": to_ms(newest.list_time), "digest": newest.digest.hex()},
        "prefixes": list(standing.prefixes),
    }


def _node(row: tuple[Any, ...]) -> RegisteredNode:
    facts = json.loads(row[2])
    standing = _standing(row[0], NODE_STATES.member[row[1]], facts)
    in_force = facts.get("in_force")
    return RegisteredNode(
        trust=standing.trust,
        prefixes=standing.prefixes,
        software_version=facts["software_version"],
        registered_at=from_ms(row[3]),
        state_at=from_ms(row[4]),
        state_operator=row[5],
        in_force=None if in_force is None else _standing(row[0], NodeState(in_force["state"]), in_force),
    )


def _standing(node_id: str, state: NodeState, facts: dict[str, Any]) -> NodeStanding:
    newest = facts["revocation_list"]
    trust = NodeTrust(
        node_id=node_id,
        region_code=RegionCode(facts["region_code"]),
        name_zh=facts["name_zh"],
        name_en=facts["name_en"],
        state=state,
        endpoints=tuple(facts["endpoints"]),
        certificate_name=facts["certificate_name"],
        keys=tuple(_key(key) for key in facts["keys"]),
        revocation_list=None
        if newest is None
        else RevocationListDigest(list_time=from_ms(newest["list_time"]), digest=bytes.fromhex(newest["digest"])),
    )
    return NodeStanding(trust=trust, prefixes=tuple(facts["prefixes"]))


def _key(facts: dict[str, Any]) -> NodeKey:
    return NodeKey(
        key_id=facts["key_id"],
        purpose=NodeKeyPurpose(facts["purpose"]),
        public_key=bytes.fromhex(facts["public_key"]),
        key_no=facts["key_no"],
        starts_at=from_ms(facts["starts_at"]),
        ends_at=from_ms_or_none(facts["ends_at"]),
    )
