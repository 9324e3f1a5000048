"""Clause 6.3: a counter asks for licences, the holder decides on the phone, the counter fetches and opens one."""

import sys
import tempfile
from pathlib import Path

from govcode.authorization.v1.authorization_pb2 import AuthorizationState
from govcode_client import Client, NodeError, Sandbox
from govcode_client.sandbox import SandboxPhone


def decide(holder: Client, phone: SandboxPhone, token: str, authorization_id: str) -> None:
    """It shows the page and grants the first item; the phone signs exactly that, and no back end could."""
    shown = holder.authorizations.get(authorization_id=authorization_id, session_token=token)
    print("the phone shows:", shown.page.notice_text)
    places = holder.authorizations.locate_licenses(session_token=token, authorization_id=authorization_id)
    held = {place.item_no: place.license_node_id for place in places}
    items = {item.item_no: item for item in shown.authorization.items}
    granted = [min(held)]
    sensitive = [number for number in granted if items[number].sensitive]
    digest, identification_id, blob = b"", "", b""
    if sensitive:
        # A stronger identity check, bound to this request and these items.
        step_up = holder.authorizations.begin_step_up(
            session_token=token, authorization_id=authorization_id, item_nos=granted
        )
        digest, identification_id = step_up.step_up_digest, step_up.identification_id
        blob = phone.identify(step_up)
    proof = phone.device.prove_decide(
        session_token=token,
        authorization_id=authorization_id,
        page=shown.page,
        granted=granted,
        refused=items.keys() - set(granted),
        confirmed=sensitive,
        places={number: held[number] for number in granted},
        step_up_digest=digest,
    )
    decided = holder.authorizations.decide(
        session_token=token, proof=proof, identification_id=identification_id, provider_blob=blob
    )
    print("the holder decides:", AuthorizationState.Name(decided.authorization.state))


def main(box: Sandbox) -> None:
    """It plays the holder and the counter."""
    matter, phone = box.matter(), box.phone("free_3")
    with box.client("holder_app") as holder, box.client("counter_app") as counter:
        token = holder.codes.sign_in(phone=phone, terms_version=box.terms_version).session.session_token
        code = holder.codes.present(session_token=token).code
        scanned = counter.codes.scan(code_text=code.code_text, scene_no=box.scenes["counter"])
        asked = counter.authorizations.request(
            scan_id=scanned.answer.scan_id,
            matter_code=matter.matter_code,
            items=matter.items,
            documents=matter.documents,
            purpose="核验申请人资格",
            handling_means="核验后不留存",
        ).authorization
        decide(holder, phone, token, asked.authorization_id)
        granted = counter.authorizations.wait(authorization_id=asked.authorization_id).authorization
        with tempfile.TemporaryDirectory() as folder:
            licence = counter.authorizations.fetch_license(
                authorization_id=asked.authorization_id,
                item_no=granted.items[0].item_no,
                matter_code=matter.matter_code,
                key=box.encryption_key,
                into=Path(folder) / "licence",
            )
            print("the counter opens:", licence.license_type, dict(licence.fields), licence.document_format)
            print("to be shown with it:", licence.mark)
        for use in holder.authorizations.list_license_uses(session_token=token):
            print("the holder sees:", use.relying_party_name, use.license_type, use.matter_code)
        withdrawal = phone.device.prove_withdraw(session_token=token, authorization_id=asked.authorization_id)
        try:
            holder.authorizations.withdraw(session_token=token, proof=withdrawal)
            print("withdrawn: nothing opens by it any more")
        except NodeError as error:
            print("nothing left to withdraw:", error.reason)


if __name__ == "__main__":
    main(Sandbox.load(*sys.argv[1:]))
