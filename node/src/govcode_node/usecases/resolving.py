"""Exchanging an own VALID scan for fields of the subject (安全解析), within the scope of the scene (7.2-11)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from govcode_node.domain.accounts import Account, AccountState
from govcode_node.domain.audit import AuditAction
from govcode_node.domain.authorizations import (
    AudienceMismatchError,
    AuthorizationNotFoundError,
    ConsentRequiredError,
    ItemNotGrantedError,
    UseState,
)
from govcode_node.domain.callers import Call
from govcode_node.domain.catalogue import SUBJECT_TYPE
from govcode_node.domain.disclosure import DisclosedField, FieldName, FieldRule, ScopeDeniedError
from govcode_node.domain.home_rules import NodeProfile
from govcode_node.domain.ids import new_time_ordered_id
from govcode_node.domain.licenses import LicenseUse
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
from govcode_node.usecases.authorization_telling import AuthorizationTeller
from govcode_node.usecases.license_uses import begin_use, note_use, usable_authorization
from govcode_node.usecases.reading_parties import reading_party_of
from govcode_node.usecases.subject_fields import SubjectFields
from govcode_node.usecases.trail import record

_PERSONAL: Final = frozenset({FieldName.NAME, FieldName.ID_NUMBER, FieldName.PHONE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """What may be seen of the subject."""

    fields: tuple[DisclosedField, ...]
    pairwise_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """What a relying party wants to see."""

    scan_id: str
    field_names: tuple[str, ...]
    authorization_id: str
    whole: bool


class Resolving:
    """It resolves scans."""

    def __init__(
        self,
        *,
        node: NodeProfile,
        database: Database,
        fields: SubjectFields,
        keys: DataKeys,
        teller: AuthorizationTeller,
        clock: Clock,
    ) -> None:
        """It works over the node's store and keys, and has holders told of uses by their consent."""
        self._teller = teller
        self._node = node
        self._database = database
        self._fields = fields
        self._keys = keys
        self._clock = clock

    async def resolve(
        self,
        call: Call,
        *,
        scan_id: str,
        field_names: Sequence[str],
        authorization_id: str = "",
        whole: bool = False,
    ) -> Resolved:
        """It discloses fields of the subject of a scan, masked unless scope or consent say otherwise (7.2-11).

        Args:
            call: The call.
            scan_id: The caller's own scan.
            field_names: The fields that are wanted.
            authorization_id: A grant of the same subject for the fields; each answer by it is one of its uses.
            whole: Whether masked values are of no use to the caller.

        Raises:
            ConsentRequiredError: A field is wanted whole that neither the scene nor the grant shows whole.
            AuthorizationNotFoundError, AudienceMismatchError, AuthorizationStateConflictError: There is no such grant.
            GrantExhaustedError, GrantExpiredError, GrantWithdrawnError: It is over.
            ScanNotFoundError: The caller has no such VALID scan, or the subject is gone.
            ScanTooOldError: It is more than ten minutes old.
            ScopeDeniedError: The scene does not allow one of the fields.
            CrossRegionUnsupportedError: The subject belongs to another node.
        """
        now = self._clock.now()
        wish = _Wish(scan_id=scan_id, field_names=tuple(field_names), authorization_id=authorization_id, whole=whole)
        return await self._database.run(lambda tx: self._resolve(tx, call, wish, now))

    def _resolve(self, tx: Transaction, call: Call, wish: _Wish, now: datetime) -> Resolved:
        scan_id, field_names = wish.scan_id, wish.field_names
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
        if wish.authorization_id:
            rules = self._by_consent(tx, call, wish, account, rules, now)
        if wish.whole:
            _check_whole(rules)
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

    def _by_consent(
        self,
        tx: Transaction,
        call: Call,
        wish: _Wish,
        account: Account,
        rules: tuple[FieldRule, ...],
        now: datetime,
    ) -> tuple[FieldRule, ...]:
        """It shows whole what the holder has granted so, and counts the use."""
        authorization = usable_authorization(tx, wish.authorization_id)
        if authorization.account_id != account.account_id:
            raise AuthorizationNotFoundError(wish.authorization_id)
        if not authorization.asked_by(node_id=self._node.node_id, app_id=call.caller.name):
            raise AudienceMismatchError(wish.authorization_id)
        item = next((one for one in authorization.items if one.asked.license_type == SUBJECT_TYPE), None)
        if item is None:
            raise ItemNotGrantedError(authorization_id=wish.authorization_id, item_no=0)
        use = LicenseUse(
            use_id=new_time_ordered_id("us", now=now, random_bytes=self._keys.random_bytes),
            authorization_id=wish.authorization_id,
            item_no=item.item_no,
            caller=f"app:{call.caller.name}",
            biz_serial=call.request_id,
            account_id=account.account_id,
            license_type=SUBJECT_TYPE,
            relying_party_name=authorization.request.relying_party_name,
            matter_code=authorization.request.matter_code,
            license_node=self._node.node_id,
            legal_basis=authorization.request.legal_basis,
            state=UseState.BEGUN,
            begun_at=now,
        )
        begin_use(tx, call, use, app_id=call.caller.name, now=now)
        tx.authorizations.end_use(use.use_id, state=UseState.DELIVERED, at=now)
        note_use(tx, call, use, AuditAction.LICENSE_USED, now=now)
        self._teller.used(tx, authorization, replace(use, state=UseState.DELIVERED), now=now)
        granted = set(item.asked.field_names)
        return tuple(FieldRule(rule.name, rule.unmasked or rule.name.value in granted) for rule in rules)


def _check_whole(rules: tuple[FieldRule, ...]) -> None:
    """It raises where a field would be masked that is never public."""
    for rule in rules:
        if not rule.unmasked and rule.name in _PERSONAL:
            raise ConsentRequiredError(rule.name.value)
