"""The acts of clause 6.3 (授权调用电子证照): asked at a counter, decided on a phone, fetched, withdrawn, and proved."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from govcode_node.commands.holders import HolderSession, find_holder
from govcode_node.commands.matter_codes import make_matter_code
from govcode_node.commands.screen import enum_word
from govcode_node.demo.federation import Federation
from govcode_node.demo.findings import Finding
from govcode_node.demo.plan import PEOPLE_FILE
from govcode_node.demo.steps import Act, Step
from govcode_node.demo.trust import EvidenceChecker
from govcode_node.providers.identity.local_kit import device_kit_blob

if TYPE_CHECKING:
    from govcode_client import Client

_PURPOSE: Final = "核验申请人资格"
_HANDLING: Final = "核验后不留存"


class ConsentActs:
    """It plays the counter, the holder's back end and phone, and the operators around an authorization."""

    def __init__(
        self, federation: Federation, *, session_of: Callable[[str, str], HolderSession], kept: Mapping[str, str]
    ) -> None:
        """It works over a running federation.

        Args:
            federation: The nodes.
            session_of: Gives a holder's session by name and node.
            kept: Ids and code texts that earlier steps kept, by name.
        """
        self._federation = federation
        self._session_of = session_of
        self._kept = kept
        self.acts: dict[Act, Callable[[Step], Finding]] = {
            Act.ASK: self._ask,
            Act.PRINT: self._print,
            Act.SCAN_SCENE: self._scan_scene,
            Act.READ: self._read,
            Act.LOCATE: self._locate,
            Act.DECIDE: self._decide,
            Act.WAIT: self._wait,
            Act.FETCH: self._fetch,
            Act.WITHDRAW: self._withdraw,
            Act.USES: self._uses,
            Act.EXPORT: self._export,
        }

    def _client(self, step: Step) -> "Client":
        return self._federation.client(step.caller, step.node_id, region=step.certificates_of)

    def _ask(self, step: Step) -> Finding:
        asked = self._client(step).authorizations.request(
            scan_id=self._kept[step.scan],
            matter_code=step.matter,
            items=step.items,
            documents=step.documents,
            purpose=_PURPOSE,
            handling_means=_HANDLING,
            max_uses=step.max_uses,
        )
        return _standing(asked.authorization)

    def _print(self, step: Step) -> Finding:
        """It makes a code of a matter that holders scan (事项码), as the business operator."""
        text = make_matter_code(self._client(step), app_id=step.app, matter_code=step.matter, name=step.place)
        return Finding(outcome="MADE", code_text=text)

    def _scan_scene(self, step: Step) -> Finding:
        session = self._session_of(step.holder, step.node_id)
        scanned = self._client(step).codes.scan_scene_code(session_token=session.token, code_text=self._kept[step.code])
        return _standing(scanned.authorization)

    def _read(self, step: Step) -> Finding:
        shown = self._shown(step)
        return Finding(
            outcome=enum_word(shown.authorization, "state"),
            relying_party=shown.authorization.relying_party_name,
            text=shown.page.notice_text,
            note=shown.page.notice_text,
        )

    def _shown(self, step: Step) -> Any:
        session = self._session_of(step.holder, step.node_id)
        return self._client(step).authorizations.get(
            authorization_id=self._kept[step.authorization], session_token=session.token
        )

    def _locate(self, step: Step) -> Finding:
        places = self._places(step)
        return Finding(
            outcome="FOUND" if places else "NOT_FOUND",
            fields={place.license_type: place.license_node_id for place in places},
            note=" · ".join(
                f"{place.license_type} {place.masked_number}: {place.license_node_id} {place.issuer_name}"
                for place in places
            ),
        )

    def _places(self, step: Step) -> list[Any]:
        session = self._session_of(step.holder, step.node_id)
        return self._client(step).authorizations.locate_licenses(
            session_token=session.token, authorization_id=self._kept[step.authorization]
        )

    def _decide(self, step: Step) -> Finding:
        """It grants what the step names and refuses the rest; the phone signs exactly that, and no back end could."""
        session, client, shown = self._session_of(step.holder, step.node_id), self._client(step), self._shown(step)
        authorization_id = self._kept[step.authorization]
        items = {item.item_no: item for item in shown.authorization.items}
        granted = [number for number, item in items.items() if item.license_type in step.grant]
        digest, identification_id, blob = b"", "", b""
        if step.step_up:
            check = client.authorizations.begin_step_up(
                session_token=session.token, authorization_id=authorization_id, item_nos=granted
            )
            holder = find_holder(PEOPLE_FILE, step.holder)
            digest, identification_id = check.step_up_digest, check.identification_id
            blob = device_kit_blob(
                identification_id=identification_id, id_number=holder.id_number, secret=holder.secret, uscc=holder.uscc
            )
        proof = session.device.prove_decide(
            session_token=session.token,
            authorization_id=authorization_id,
            page=shown.page,
            granted=granted,
            refused=items.keys() - set(granted),
            confirmed=[number for number in granted if items[number].sensitive],
            places={place.item_no: place.license_node_id for place in self._places(step)} if granted else {},
            step_up_digest=digest,
        )
        decided = client.authorizations.decide(
            session_token=session.token, proof=proof, identification_id=identification_id, provider_blob=blob
        )
        return _standing(decided.authorization)

    def _wait(self, step: Step) -> Finding:
        waited = self._client(step).authorizations.wait(authorization_id=self._kept[step.authorization], within=20)
        return _standing(waited.authorization)

    def _fetch(self, step: Step) -> Finding:
        """It fetches one licence; what was delivered by whom is proved by the delivery's evidence."""
        from govcode.authorization.v1.record_pb2 import LicenseDelivery
        from govcode_client.sm2 import sm3

        client, authorization_id = self._client(step), self._kept[step.authorization]
        seen = client.authorizations.get(authorization_id=authorization_id).authorization
        numbers = [item.item_no for item in seen.items if item.license_type == step.item]
        licence = client.authorizations.fetch_license(
            authorization_id=authorization_id,
            # What was refused is not among the items any longer: the counter tries all the same.
            item_no=numbers[0] if numbers else len(seen.items) + 1,
            matter_code=seen.matter_code,
            key=self._federation.application_key(step.caller, step.node_id),
        )
        delivery = self._checker(client).read(licence.delivery, "LICENSE_DELIVERY", LicenseDelivery)
        notes = [" · ".join(f"{name}: {value}" for name, value in licence.fields.items())]
        if licence.document:
            notes.append(
                f"{licence.document_format} {licence.document_size:,} bytes, SM3 {sm3(licence.document).hex()}"
            )
        return Finding(
            outcome="DELIVERED" if delivery.use_id == licence.use_id else "EVIDENCE_OF_ANOTHER_USE",
            decided_by=delivery.license_node_id,
            fields=dict(licence.fields),
            text=licence.document_format,
            note="\n".join([*notes, licence.mark]),
        )

    def _checker(self, client: "Client") -> EvidenceChecker:
        bundle = client.routes.trust_bundle().bundle
        return EvidenceChecker(bundle, hub_public_key=self._federation.hub_public_key)

    def _withdraw(self, step: Step) -> Finding:
        session, authorization_id = self._session_of(step.holder, step.node_id), self._kept[step.authorization]
        proof = session.device.prove_withdraw(session_token=session.token, authorization_id=authorization_id)
        withdrawn = self._client(step).authorizations.withdraw(session_token=session.token, proof=proof)
        return Finding(outcome=enum_word(withdrawn.authorization, "state"))

    def _uses(self, step: Step) -> Finding:
        session = self._session_of(step.holder, step.node_id)
        uses = list(
            self._client(step).authorizations.list_license_uses(
                session_token=session.token, authorization_id=self._kept[step.authorization]
            )
        )
        if not uses:
            return Finding(outcome="NO_USE")
        return Finding(
            outcome=enum_word(uses[0], "state"),
            relying_party=uses[0].relying_party_name,
            fields={use.license_type: use.license_node_id for use in uses},
            note="\n".join(
                f"{use.relying_party_name} · {use.license_type} · {use.license_node_id} · {enum_word(use, 'state')}"
                for use in uses
            ),
        )

    def _export(self, step: Step) -> Finding:
        """It checks an exported consent as a third party would: by the bundle, and each piece against the next."""
        from govcode.authorization.v1 import record_pb2
        from govcode_client.sm2 import sm3

        exported = self._client(step).authorizations.export(authorization_id=self._kept[step.authorization])
        checker = EvidenceChecker(exported.trust_bundle, hub_public_key=self._federation.hub_public_key)
        asked = checker.read(exported.consent_request, "CONSENT_REQUEST", record_pb2.ConsentRequest)
        record = checker.read(exported.consent_record, "CONSENT", record_pb2.ConsentRecord)
        grant = checker.read(exported.grant, "GRANT", record_pb2.Grant)
        linked = (
            record.request_digest == sm3(exported.consent_request.payload)
            and grant.consent_digest == sm3(exported.consent_record.payload)
            and record.notice_hash == sm3(record.notice_text.encode())
        )
        return Finding(
            outcome="PROVED" if linked else "NOT_LINKED",
            decided_by=record.home_node_id,
            visited=asked.visited_node_id,
            relying_party=record.relying_party_name,
            note=f"asked by {asked.visited_node_id}, decided at {record.home_node_id}, "
            f"delivered {len(exported.deliveries)} times",
        )


def _standing(authorization: Any) -> Finding:
    """It says where an authorization stands, with the uses that are left of each item that the caller sees."""
    left = {
        item.license_type: str(authorization.remaining_uses.get(item.item_no, "not granted"))
        for item in authorization.items
    }
    return Finding(
        outcome=enum_word(authorization, "state"),
        relying_party=authorization.relying_party_name,
        fields=left,
        kept_id=authorization.authorization_id,
    )
