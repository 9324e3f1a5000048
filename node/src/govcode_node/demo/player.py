"""The player of steps: it asks as the callers do, holds what came against what was expected, and keeps the account."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from govcode_node.commands.holders import HolderBackEnd, HolderSession, find_holder, new_serial
from govcode_node.commands.screen import enum_word
from govcode_node.demo.consents import ConsentActs
from govcode_node.demo.federation import Federation
from govcode_node.demo.findings import Finding, Played, faults_of
from govcode_node.demo.plan import PEOPLE_FILE
from govcode_node.demo.steps import Act, Step

if TYPE_CHECKING:
    from govcode_client import Client

_RELATION_LIFE: Final = timedelta(days=365)
_LOOK_EVERY: Final = 0.25


class Player:
    """It plays steps over a running federation."""

    def __init__(self, federation: Federation) -> None:
        """It starts with no account open and no code kept."""
        self._federation = federation
        self._sessions: dict[tuple[str, str], HolderSession] = {}
        self._codes: dict[str, tuple[str, bytes]] = {}
        self._kept: dict[str, str] = {}
        self._acts: dict[Act, Callable[[Step], Finding]] = {
            Act.PRESENT: self._present,
            Act.SCAN: self._scan,
            Act.VERIFY: self._verify,
            Act.RECORDS: self._records,
            Act.REVOKE: self._revoke,
            Act.RELATE: self._relate,
            Act.ALTER: self._alter,
            Act.STOP: self._stop,
            Act.START: self._start,
            Act.NODES: self._nodes,
        }
        self._acts |= ConsentActs(federation, session_of=self._session, kept=self._kept).acts

    def open_accounts(self, steps: tuple[Step, ...]) -> int:
        """It opens the accounts of everybody who acts in the steps, before the play; how many.

        Raises:
            ClientError: A node refuses.
        """
        for step in steps:
            for name in (step.holder, step.on_behalf_of, step.dependant):
                if name:
                    self._session(name, step.node_id)
        return len(self._sessions)

    def play(self, step: Step) -> Played:
        """It plays one step. A refusal by the node is a finding; only looking is repeated until it is as expected."""
        deadline = time.monotonic() + step.within
        while True:
            finding, milliseconds = self._once(step)
            faults = faults_of(step.expect, finding)
            if not faults or time.monotonic() >= deadline:
                return Played(step=step, finding=finding, faults=faults, milliseconds=milliseconds)
            time.sleep(_LOOK_EVERY)

    def _once(self, step: Step) -> tuple[Finding, float]:
        from govcode_client import ClientError

        began = time.perf_counter()
        try:
            finding = self._acts[step.act](step)
            if step.keep:
                self._kept[step.keep] = finding.kept_id or finding.code_text
        except ClientError as error:
            finding = Finding(outcome=getattr(error, "reason", "") or type(error).__name__, note=str(error))
        return finding, (time.perf_counter() - began) * 1000

    def _client(self, step: Step) -> "Client":
        return self._federation.client(step.caller, step.node_id, region=step.certificates_of)

    def _session(self, name: str, node_id: str) -> HolderSession:
        from govcode_client import HolderDevice

        holder = find_holder(PEOPLE_FILE, name)
        key = (holder.uscc or holder.id_number, node_id)
        if key not in self._sessions:
            back_end = HolderBackEnd(self._federation.client("holder-app", node_id))
            self._sessions[key] = back_end.open(holder, HolderDevice.generate())
        return self._sessions[key]

    def _present(self, step: Step) -> Finding:
        from govcode.code.v1 import code_application_service_pb2 as pb
        from govcode.code.v1.service_code_pb2 import TERMINAL_TYPE_APP

        session = self._session(step.holder, step.node_id)
        request = pb.PresentCodeRequest(
            biz_serial=new_serial("PRESENT"),
            session_token=session.token,
            scene_no=step.scene,
            terminal_type=TERMINAL_TYPE_APP,
            one_time=step.one_time,
        )
        if step.on_behalf_of is not None:
            request.on_behalf_of_account_id = self._session(step.on_behalf_of, step.node_id).account_id
        code = self._client(step).code_application.PresentCode(request).code
        self._codes[step.keep] = (code.code_text, code.code_id)
        return Finding(outcome="ISSUED", code_text=code.code_text, proxy=code.proxy)

    def _scan(self, step: Step) -> Finding:
        from govcode.code.v1 import code_application_service_pb2 as pb

        request = pb.ScanCodeRequest(
            biz_serial=new_serial("SCAN"),
            code_text=self._codes[step.code][0],
            scene_no=step.scene,
            place=step.place,
        )
        return _judged(self._client(step).code_application.ScanCode(request))

    def _verify(self, step: Step) -> Finding:
        from govcode.code.v1 import code_base_service_pb2 as pb

        request = pb.VerifyCodeRequest(
            biz_serial=new_serial("VERIFY"), code_text=self._codes[step.code][0], scene_no=step.scene
        )
        return _judged(self._client(step).code_base.VerifyCode(request))

    def _records(self, step: Step) -> Finding:
        from govcode.code.v1 import code_application_service_pb2 as pb

        session = self._session(step.holder, step.node_id)
        answer = self._client(step).code_application.ListRecords(
            pb.ListRecordsRequest(session_token=session.token, page_size=20)
        )
        # The newest use that counted: a refused second scan is recorded too, and is not what the step shows.
        uses = [record for record in answer.records if enum_word(record, "outcome") == step.expect.outcome]
        if not uses:
            return Finding(outcome="NO_RECORD")
        use = uses[0]
        return Finding(
            outcome=enum_word(use, "outcome"),
            visited=use.visited_node_id,
            relying_party=use.relying_party_name,
            note=f"{use.relying_party_name} · {use.place or enum_word(use, 'scene_class')} · {use.visited_node_id}",
        )

    def _revoke(self, step: Step) -> Finding:
        from govcode.code.v1 import code_base_service_pb2 as pb

        session = self._session(step.holder, step.node_id)
        answer = self._client(step).code_base.RevokeCode(
            pb.RevokeCodeRequest(
                biz_serial=new_serial("REVOKE"),
                code_id=self._codes[step.code][1],
                session_token=session.token,
                reason="持有人撤销",
            )
        )
        return Finding(outcome=enum_word(answer.code, "state"))

    def _relate(self, step: Step) -> Finding:
        from govcode.business.v1 import business_management_service_pb2 as pb
        from govcode.business.v1 import registry_pb2

        relation = registry_pb2.Relation(
            presenter_account_id=self._session(step.holder, step.node_id).account_id,
            dependant_account_id=self._session(step.dependant, step.node_id).account_id,
            kind=registry_pb2.RelationKind.Value(f"RELATION_KIND_{step.kind}"),
            proof_reference="户籍核验 DEMO-0001",
        )
        relation.end_time.FromDatetime(datetime.now(UTC) + _RELATION_LIFE)
        self._client(step).business.RegisterRelation(
            pb.RegisterRelationRequest(biz_serial=new_serial("RELATION"), relation=relation)
        )
        return Finding(outcome="REGISTERED")

    def _alter(self, step: Step) -> Finding:
        """It forges a code: one character within the seal becomes another one that leaves the text well-formed."""
        text, code_id = self._codes[step.code]
        self._codes[step.keep] = (text[:-4] + _other(text[-4]) + text[-3:], code_id)
        return Finding(outcome="ALTERED")

    def _stop(self, step: Step) -> Finding:
        self._federation.stop(step.node_id)
        return Finding(outcome="STOPPED")

    def _start(self, step: Step) -> Finding:
        self._federation.start(step.node_id)
        return Finding(outcome="STARTED")

    def _nodes(self, step: Step) -> Finding:
        from govcode_node.commands.hub import list_views

        views = tuple(list_views(self._client(step)))
        conditions = {view.node_id: enum_word(view, "condition") for view in views}
        return Finding(outcome="SHOWN", conditions=conditions, views=views)


def _judged(answer: Any) -> Finding:
    facts = answer.answer
    return Finding(
        outcome=enum_word(answer.verdict, "outcome"),
        decision=enum_word(answer.verdict, "decision"),
        decided_by=facts.decided_by_node_id,
        fields={item.name: item.value for item in facts.fields},
        proxy=facts.proxy,
        kept_id=facts.scan_id,
        note=" · ".join(f"{item.name}: {item.value}" for item in facts.fields),
    )


def _other(character: str) -> str:
    return "1" if character != "1" else "2"
