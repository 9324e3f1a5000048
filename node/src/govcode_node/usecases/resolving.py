"""Exchanging an own VALID scan for fields of the subject (安全解析), within the scope of the scene (7.2-11)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from govcode_node.domain.accounts import AccountState
from govcode_node.domain.audit import AuditAction
from govcode_node.domain.callers import Call
from govcode_node.domain.disclosure import DisclosedField, FieldName, ScopeDeniedError
from govcode_node.domain.home_rules import NodeProfile
from govcode_node.domain.outcomes import Outcome
from govcode_node.domain.scans import (
    RESOLVE_WINDOW,
    CrossRegionUnsupportedError,
    ScanAct,
    ScanNotFoundError,
    ScanTooOldError,
)
from govcode_node.ports.clock import Clock
from govcode_node.ports.security import DataKeys
from govcode_node.ports.stores import Database, Transaction
from govcode_node.usecases.reading_parties import reading_party_of
from govcode_node.usecases.subject_fields import SubjectFields
from govcode_node.usecases.trail import record


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """What may be seen of the subject."""

    fields: tuple[DisclosedField, ...]
    pairwise_id: str


class Resolving:
    """It resolves scans."""

    def __init__(
        self, *, node: NodeProfile, database: Database, fields: SubjectFields, keys: DataKeys, clock: Clock
    ) -> None:
        """It works over the node's store and keys."""
        self._node = node
        self._database = database
        self._fields = fields
        self._keys = keys
        self._clock = clock

    async def resolve(self, call: Call, *, scan_id: str, field_names: Sequence[str]) -> Resolved:
        """It discloses fields of the subject of a scan, masked unless the scene's scope says otherwise.

        Raises:
            ScanNotFoundError: The caller has no such VALID scan, or the subject is gone.
            ScanTooOldError: It is more than ten minutes old.
            ScopeDeniedError: The scene does not allow one of the fields.
            CrossRegionUnsupportedError: The subject belongs to another node.
        """
        now = self._clock.now()
        return await self._database.run(lambda tx: self._resolve(tx, call, scan_id, field_names, now))

    def _resolve(
        self, tx: Transaction, call: Call, scan_id: str, field_names: Sequence[str], now: datetime
    ) -> Resolved:
        row = tx.scans.get(scan_id)
        own = row is not None and row.caller == f"app:{call.caller.name}" and row.act is ScanAct.SCAN
        if row is None or not own or row.outcome not in {Outcome.VALID, Outcome.OFFLINE_VALID}:
            raise ScanNotFoundError(scan_id)
        if row.home_node != self._node.node_id:
            raise CrossRegionUnsupportedError(row.home_node)
        if now - row.decided_at > RESOLVE_WINDOW:
            raise ScanTooOldError(scan_id)
        party = reading_party_of(tx, call, row.scene_no, now=now)
        scope = {rule.name.value: rule for rule in party.scene.fields}
        for name in field_names:
            if name not in scope or name not in set(FieldName):
                raise ScopeDeniedError(field=name, scene_no=row.scene_no)
        code = tx.codes.get(row.code_id)
        account = tx.accounts.get(row.account_id) if row.account_id is not None else None
        if code is None or account is None or account.state is not AccountState.ACTIVE:
            # Closed or suspended since the scan: nothing more is told of the subject, not even its id.
            raise ScanNotFoundError(scan_id)
        rules = tuple(scope[name] for name in dict.fromkeys(field_names))
        fields = self._fields.disclose(tx, account=account, code=code, rules=rules)
        record(
            tx,
            call,
            AuditAction.CODE_RESOLVED,
            at=now,
            object_id=scan_id,
            fields=",".join(field.name.value for field in fields),
        )
        pairwise_id = self._keys.pseudonym(account.account_id, party.organisation.uscc)
        return Resolved(fields=fields, pairwise_id=pairwise_id)
