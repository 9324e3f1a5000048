"""Who a node is: what its certificate says, by an authority that may say so, and what its messages say (6.2-03)."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest
from govcode.common.v1 import verdict_pb2
from govcode.federation.v1 import federation_service_pb2 as federationv1
from govcode.hub.v1 import hub_service_pb2 as hubv1
from govcode_node.domain.identities import CallerClass
from grpc import aio
from kit.federation import BEIJING, SHANGHAI, WUHAN, Federation, hub_of, open_federation
from kit.peer_servers import PeerServer
from kit.players import dial
from kit.questions import federation_service, question, registration
from kit.serving import reason_of

shared = pytest.mark.asyncio(loop_scope="session")
SPIFFE_SHANGHAI = "spiffe://federation.govcode/node/310000"


async def refusal(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    return refused.value


@shared
@pytest.mark.req("6.2-03")
async def test_a_regions_authority_cannot_make_a_node(federation: Federation) -> None:
    # The handshake accepts it: the port's pool holds that authority, which signs the region's applications.
    forged = federation.wuhan.pki.region_naming_a_node(region=BEIJING, node_id=SHANGHAI)
    for node in (federation.wuhan, federation.hub):
        refused = await refusal(federation_service(node.channel(forged)).GetNode(federationv1.GetNodeRequest()))
        assert refused.code() == grpc.StatusCode.UNAUTHENTICATED
        assert reason_of(refused) == "CERTIFICATE_UNTRUSTED"
    refused = await refusal(hub_of(federation.hub.channel(forged)).GetTrustBundle(hubv1.GetTrustBundleRequest()))
    assert reason_of(refused) == "CERTIFICATE_UNTRUSTED"


@shared
@pytest.mark.req("6.2-03", "8.1-03")
async def test_nobody_gets_through_the_handshake_without_a_certificate_of_a_known_authority(
    federation: Federation,
) -> None:
    wuhan, pki = federation.wuhan, federation.wuhan.pki
    nameless = aio.secure_channel(wuhan.app.address, grpc.ssl_channel_credentials(pki.federation_ca_pem))
    stranger = dial(wuhan.app.address, pki.foreign(SPIFFE_SHANGHAI), pki=pki)
    expired = dial(wuhan.app.address, pki.expired(SPIFFE_SHANGHAI, signer="federation"), pki=pki)
    plain = aio.insecure_channel(wuhan.app.address)
    try:
        for channel in (nameless, stranger, expired, plain):
            call = federation_service(channel).GetNode(federationv1.GetNodeRequest(), timeout=5)
            assert (await refusal(call)).code() == grpc.StatusCode.UNAVAILABLE
    finally:
        await asyncio.gather(*(channel.close() for channel in (nameless, stranger, expired, plain)))


@shared
@pytest.mark.req("6.2-03")
async def test_a_question_in_the_name_of_another_node_is_refused(federation: Federation) -> None:
    text = (await (await federation.holder(WUHAN)).present()).code.code_text
    honest = await question(federation.beijing, WUHAN, text)
    as_shanghai = federation_service(federation.wuhan.as_node(SHANGHAI))
    lies = {
        "Beijing's own question, sent by Shanghai": honest,
        "Beijing's question, passed on as if Shanghai had asked": federationv1.RecognizeCodeRequest(
            request=honest.request, hops=[SHANGHAI]
        ),
        "signed by Shanghai for a scan at Beijing": await question(
            federation.shanghai, WUHAN, text, visited_node=BEIJING
        ),
        "for another home": await question(federation.shanghai, BEIJING, text),
    }
    for lie, asked in lies.items():
        refused = await refusal(as_shanghai.RecognizeCode(asked))
        assert reason_of(refused) == "IDENTITY_MISMATCH", lie
        assert refused.code() == grpc.StatusCode.PERMISSION_DENIED, lie
    # The code is still there to be used: none of that was a scan.
    assert (await federation.beijing.counter.scan(text)).verdict.outcome == verdict_pb2.OUTCOME_VALID


@shared
@pytest.mark.req("6.2-03", "8.1-04")
async def test_a_question_whose_signature_is_not_the_nodes_is_refused(federation: Federation) -> None:
    text = (await (await federation.holder(WUHAN)).present(one_time=True)).code.code_text
    as_shanghai = federation_service(federation.wuhan.as_node(SHANGHAI))
    asked = await question(federation.shanghai, WUHAN, text)
    unsigned, altered, borrowed = (
        federationv1.RecognizeCodeRequest.FromString(asked.SerializeToString()) for _ in "123"
    )
    unsigned.request.ClearField("sm2_signature")
    altered.request.payload += b"\xfa\x01\x00"
    by_beijing = await question(federation.beijing, WUHAN, text, visited_node=SHANGHAI)
    borrowed.request.CopyFrom(by_beijing.request)
    borrowed.request.node_id = SHANGHAI
    for wrong in (unsigned, altered, borrowed):
        refused = await refusal(as_shanghai.RecognizeCode(wrong))
        assert reason_of(refused) == "EVIDENCE_INVALID"
    assert (await federation.shanghai.counter.scan(text)).verdict.outcome == verdict_pb2.OUTCOME_VALID


@shared
@pytest.mark.req("6.2-03")
async def test_a_node_registers_and_reports_as_nobody_but_itself(federation: Federation) -> None:
    as_beijing = hub_of(federation.hub.as_node(BEIJING))
    refused = await refusal(as_beijing.RegisterNode(await registration(federation.wuhan)))
    assert reason_of(refused) == "IDENTITY_MISMATCH"
    status = (await federation.seen(WUHAN, lambda view: view.HasField("status"))).status
    reports = as_beijing.ReportNodeStatus(iter([hubv1.ReportNodeStatusRequest(seq=1, status=status)]))
    refused = await refusal(reports.read())
    assert reason_of(refused) == "IDENTITY_MISMATCH"


@shared
@pytest.mark.req("6.2-03")
async def test_applications_and_operators_cannot_ask_as_nodes(federation: Federation) -> None:
    asked = await question(federation.shanghai, WUHAN, "ZWM1.X")
    wuhan = federation.wuhan
    for channel, reason in (
        (wuhan.as_app("counter-app"), "CALLER_NOT_ALLOWED"),
        (wuhan.as_operator("security-1"), "CALLER_NOT_ALLOWED"),
        # A licence system that is not registered gets no further than an application that is not.
        (wuhan.channel(wuhan.pki.issue(CallerClass.LICENCE, "licence-service", region=WUHAN)), "APP_UNKNOWN"),
    ):
        refused = await refusal(federation_service(channel).RecognizeCode(asked))
        assert refused.code() == grpc.StatusCode.PERMISSION_DENIED
        assert reason_of(refused) == reason


@pytest.mark.req("6.2-03")
async def test_whoever_answers_at_a_nodes_endpoint_must_be_that_node(tmp_path: Path) -> None:
    async with open_federation(tmp_path, SHANGHAI, WUHAN) as federation:
        pki, holder = federation.wuhan.pki, await federation.holder(WUHAN)
        codes = [(await holder.present(one_time=True)).code.code_text for _ in range(4)]
        assert (await federation.shanghai.counter.scan(codes[3])).verdict.outcome == verdict_pb2.OUTCOME_VALID
        await federation.stop(WUHAN)
        impostors = {
            "another node": pki.node(BEIJING),
            "a region's authority in the node's name": pki.region_naming_a_node(region=WUHAN, node_id=WUHAN),
            "a stranger in its name": pki.foreign(f"spiffe://federation.govcode/node/{WUHAN}"),
        }
        for code_text, (who, certificate) in zip(codes, impostors.items(), strict=False):
            impostor = PeerServer(certificate, pki=pki)
            impostor.port = int(federation.wuhan.app.address.rpartition(":")[2])
            await impostor.start()
            try:
                answer = await federation.shanghai.counter.scan(code_text)
            finally:
                await impostor.stop()
            assert answer.verdict.outcome == verdict_pb2.OUTCOME_HOME_NODE_UNREACHABLE, who
            # Not a byte of the question reached the impostor.
            assert impostor.seen == [], who
