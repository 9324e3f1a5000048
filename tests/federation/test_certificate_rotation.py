"""Certificates and authorities that are renewed on the disk of a running node, which nobody restarts."""

import asyncio
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
from govcode.business.v1 import business_management_service_pb2 as businessv1
from govcode.business.v1 import business_management_service_pb2_grpc as businessv1_grpc
from govcode_node.certificate_files import CertificateFiles
from govcode_node.crypto.authorities import CertificateAuthority
from govcode_node.domain.audit import AuditAction
from govcode_node.domain.identities import FEDERATION, trust_domain_of
from govcode_node.domain.routes import RouteEntry, TrustBundle
from govcode_node.federation.holding import HeldTrust
from govcode_node.federation.peer import PeerSettings
from govcode_node.federation.peers import GrpcPeers
from kit.clocks import MovableClock
from kit.hub_fakes import NodeKit, node_call
from kit.nodes import RunningNode, running_node, write_node
from kit.peer_servers import PeerServer
from kit.pki import kit_pki
from kit.players import dial
from kit.serving import reason_of


async def test_a_renewed_certificate_is_shown_to_peers_from_the_next_call_on(tmp_path: Path) -> None:
    pki, clock = kit_pki(), MovableClock()
    server = await PeerServer(pki.node("110000"), pki=pki).start()
    held = HeldTrust(clock)
    beijing = NodeKit("110000", clock, endpoints=(server.endpoint,)).registered().trust
    routes = (RouteEntry("11", "110000"),)
    held.swap(TrustBundle(version=1, issued_at=clock.now(), routes=routes, nodes=(beijing,)), b"")
    config = write_node(tmp_path, "420100", pki=pki)
    files = CertificateFiles(config.server, now=clock.now)
    peers = GrpcPeers(
        own_id="420100", trust=held, identity=files.identity, settings=PeerSettings(connections=1), clock=clock
    )
    files.on_identity(peers.replace_identity)
    renewed = pki.authority(FEDERATION).issue(["spiffe://federation.govcode/node/420100"], now=pki.now, server=True)
    try:
        await peers.recognize("110000", request=b"", hops=("420100",), call=node_call("420100"))
        config.server.certificate.write_bytes(renewed.certificate_pem)
        config.server.key.write_bytes(renewed.key_pem)
        await files.step()
        await peers.recognize("110000", request=b"", hops=("420100",), call=node_call("420100"))
    finally:
        await server.stop()
        await peers.close()
    shown = [seen.certificate.strip() for seen in server.seen]
    assert shown == [pki.node("420100").certificate_pem.strip(), renewed.certificate_pem.strip()]


@pytest.mark.req("8.1-03")
async def test_a_renewed_authority_is_believed_by_a_running_node(tmp_path: Path) -> None:
    async with running_node(tmp_path) as node:
        server, pki = node.config.server, node.pki
        successor = CertificateAuthority.create(trust_domain_of("420100"), now=pki.now - timedelta(days=1))
        operator = successor.issue(["spiffe://r420100.govcode/operator/business-1"], now=pki.now, server=False)
        # The pool of the handshake already has the new authority; whom it may vouch for is the other question.
        server.roots.write_bytes(pki.roots_pem + successor.certificate_pem)
        channel = dial(node.app.address, operator, pki=pki)
        stub = businessv1_grpc.BusinessManagementServiceStub(channel)
        try:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await stub.ListScenes(businessv1.ListScenesRequest())
            assert reason_of(refused.value) == "CERTIFICATE_UNTRUSTED"

            region = server.region_ca_files()["420100"]
            region.write_bytes(region.read_bytes() + successor.certificate_pem)
            await node.app.ground.certificates.step()
            await stub.ListScenes(businessv1.ListScenesRequest())
        finally:
            await channel.close()


async def refused_at(hub: RunningNode) -> set[str]:
    """Reasons for which the hub refused to let somebody in."""
    records = await hub.app.database.read(
        lambda tx: tx.audit.list_records(
            start=None, end=None, action=AuditAction.ACCESS_REFUSED.value, biz_serial="", after=None, limit=100
        )
    )
    return {record.entry.result for record in records}


async def test_a_running_node_shows_its_new_certificate_to_the_hub(tmp_path: Path) -> None:
    async with running_node(tmp_path / "hub", "000000") as hub, running_node(tmp_path / "node", hub=hub) as node:
        assert "certificate files" in node.app.loops.ages()
        # One that the hub refuses, so that it can be seen there: a region's authority cannot make a node.
        forged = node.pki.region_naming_a_node(region="310000", node_id="420100")
        node.config.server.certificate.write_bytes(forged.certificate_pem)
        node.config.server.key.write_bytes(forged.key_pem)
        assert "CERTIFICATE_UNTRUSTED" not in await refused_at(hub)
        await node.app.ground.certificates.step()
        async with asyncio.timeout(30):
            while "CERTIFICATE_UNTRUSTED" not in await refused_at(hub):
                await asyncio.sleep(0.1)
