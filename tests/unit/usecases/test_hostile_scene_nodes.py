"""The node of a scene code answers what it likes: what it signs opens nothing without a holder's own word."""

import pytest
from govcode_node.authorization_steps import LicenceRules
from govcode_node.domain.authorizations import AuthorizationState, LegalBasis, StatutoryDuty
from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.domain.recognition import PeerAnswerRefusedError
from kit.consent_in_memory import (
    LICENCES_FILE,
    MATTER,
    DecidingHolder,
    Regions,
    asking_counter,
    deciding_holder,
    replace,
    scene_code,
)
from kit.federation_in_memory import FederationInMemory
from kit.people_in_memory import MobileApp, person, serial


@pytest.mark.req("6.3-01", "N-35")
async def test_a_scanned_scene_code_opens_no_statutory_duty(federation: FederationInMemory) -> None:
    rules = LicenceRules(statutory_matters=frozenset({MATTER}))
    home = federation.add("420100", prefixes=("42",), licences=LICENCES_FILE, licence_rules=rules)
    visited = federation.add("110000", prefixes=("11",))
    federation.publish()
    code_text = await scene_code(await asking_counter(visited))
    holder = await deciding_holder(home)
    number = serial("scene")
    seen = (await holder.scan_scene(code_text)).request
    duty = StatutoryDuty(statute="某法第一条", approval_reference="1")
    false = replace(
        seen,
        authorization_id="au_" + "7" * 32,
        biz_serial=number,
        legal_basis=LegalBasis.STATUTORY_DUTY,
        statutory_duty=duty,
        holder_untold=True,
    )
    evidence = await visited.attestor.attest(EvidencePurpose.CONSENT_REQUEST, false)
    home.peers.tamper = lambda answer: evidence

    with pytest.raises(PeerAnswerRefusedError):
        await holder.scan_scene(code_text, biz_serial=number)

    assert [one.state for one in await holder.list_authorizations()] == [AuthorizationState.PENDING]


@pytest.mark.req("6.3-08", "6.3-02")
async def test_one_request_is_not_handed_to_two_holders(regions: Regions) -> None:
    code_text = await scene_code(regions.counter)
    number = serial("scene")
    first = await regions.holder.scan_scene(code_text, biz_serial=number)
    regions.home.peers.tamper = lambda answer: first.request_evidence
    who = person("李示范")
    other = DecidingHolder(await MobileApp(regions.home, "other-mobile-app").open_account(who), who)

    with pytest.raises(PeerAnswerRefusedError):
        await other.scan_scene(code_text, biz_serial=number)

    assert await other.list_authorizations() == []
