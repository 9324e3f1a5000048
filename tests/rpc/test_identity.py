"""Who gets in: what the handshake refuses, what the way in refuses after it, and what is left in the audit trail."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest
from govcode_node.domain.audit import AuditAction
from govcode_node.domain.callers import AppDisabledError
from govcode_node.rpc.call import current_call
from kit.serving import attempt, begin, details_of, reason_of

SCAN = "/govcode.code.v1.CodeApplicationService/ScanCode"
RECOGNIZE = "/govcode.federation.v1.FederationService/RecognizeCode"
COUNTER = "spiffe://r110000.govcode/app/counter-app"


@pytest.mark.req("8.1-03", "6.2-03")
async def test_nobody_gets_in_without_a_certificate(start_server: Any) -> None:
    served = await start_server()
    refused = await attempt(served.channel(None), SCAN)
    assert refused is not None
    assert refused.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.req("8.1-03", "6.2-03")
async def test_a_certificate_of_nobodys_authority_does_not_pass_the_handshake(start_server: Any) -> None:
    served = await start_server()
    refused = await attempt(served.channel(served.pki.foreign(COUNTER)), SCAN)
    assert refused is not None
    assert refused.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.req("8.1-03")
async def test_the_port_speaks_no_plaintext(start_server: Any) -> None:
    served = await start_server()
    async with grpc.aio.insecure_channel(f"localhost:{served.port}") as channel:
        refused = await attempt(channel, SCAN)
    assert refused is not None
    assert refused.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.req("6.2-03")
async def test_a_region_cannot_mint_a_node(start_server: Any) -> None:
    served = await start_server()
    refused = await attempt(served.channel(served.pki.region_naming_a_node()), RECOGNIZE)
    assert refused is not None
    assert (refused.code(), reason_of(refused)) == (grpc.StatusCode.UNAUTHENTICATED, "CERTIFICATE_UNTRUSTED")
    (entry,) = served.audited
    assert (entry.action, entry.actor_class, entry.object) == (AuditAction.ACCESS_REFUSED, "unidentified", RECOGNIZE)
    assert entry.result == "CERTIFICATE_UNTRUSTED"


async def test_a_certificate_without_identity_is_missing(start_server: Any) -> None:
    served = await start_server()
    bare = served.pki.authority("110000").issue([], now=served.pki.now, server=False)
    refused = await attempt(served.channel(bare), SCAN)
    assert refused is not None
    assert (refused.code(), reason_of(refused)) == (grpc.StatusCode.UNAUTHENTICATED, "CERTIFICATE_MISSING")


async def test_an_unregistered_application_is_told_so(start_server: Any) -> None:
    served = await start_server()
    refused = await attempt(served.channel(served.pki.app("other-app")), SCAN)
    assert refused is not None
    assert (refused.code(), reason_of(refused)) == (grpc.StatusCode.PERMISSION_DENIED, "APP_UNKNOWN")
    assert dict(details_of(refused)["ErrorInfo"].metadata) == {"app_id": "other-app"}


async def test_a_refused_caller_is_named_in_the_audit_trail(start_server: Any) -> None:
    served = await start_server()
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    present = "/govcode.code.v1.CodeApplicationService/PresentCode"
    metadata = (("traceparent", f"00-{trace}-00f067aa0ba902b7-01"),)
    await attempt(served.channel("app.relying_party"), present, metadata=metadata)
    (entry,) = served.audited
    assert (entry.actor_class, entry.actor, entry.result) == ("app.relying_party", "counter-app", "CALLER_NOT_ALLOWED")
    assert entry.trace_id == trace
    assert len(entry.details["certificate"]) == 64


async def test_the_servicer_knows_the_call(start_server: Any) -> None:
    calls = []

    async def remember(method: str, request: Any) -> None:
        calls.append(current_call())

    served = await start_server(serve=remember)
    metadata = (("govcode-device-id", "counter-scanner-9"), ("accept-language", "zh"))
    await begin(served.channel("app.relying_party"), SCAN, metadata=metadata)
    await begin(served.channel("scanner"), SCAN, metadata=metadata)
    by_app, by_scanner = calls
    assert (by_app.caller.label, by_app.caller.name) == ("app.relying_party", "counter-app")
    assert (by_app.method, by_app.device_id) == (SCAN, "counter-scanner-9")
    assert by_app.metadata["accept-language"] == "zh"
    assert len(by_app.request_digest) == 32
    assert len(by_app.trace_id) == 32
    # A scanner is itself, whatever device its metadata names.
    assert (by_scanner.caller.label, by_scanner.device_id) == ("scanner", "counter-scanner-1")


async def test_a_device_name_that_cannot_be_is_a_wrong_field(start_server: Any) -> None:
    served = await start_server()
    refused = await attempt(served.channel(), SCAN, metadata=(("govcode-device-id", "x" * 65),))
    assert reason_of(refused) == "INVALID_FIELD"


async def test_a_method_that_is_not_served_is_unimplemented_for_those_who_may_know(start_server: Any) -> None:
    served = await start_server(hub=False, reflection=False)
    unknown = "/govcode.none.v1.NoService/NoMethod"
    for method, reason in ((unknown, ""), ("/govcode.hub.v1.HubService/RegisterNode", "HUB_NOT_HERE")):
        call = served.channel("node").unary_unary(method)(b"", timeout=10)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call
        assert (refused.value.code(), reason_of(refused.value)) == (grpc.StatusCode.UNIMPLEMENTED, reason)
        assert dict(refused.value.trailing_metadata())["govcode-node-id"] == "110000"
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await served.channel(served.pki.region_naming_a_node()).unary_unary(unknown)(b"", timeout=10)
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_long_stream_ends_when_its_caller_is_suspended(start_server: Any) -> None:
    served = await start_server()
    report = "/govcode.hub.v1.HubService/ReportNodeStatus"
    channel = served.channel("node")
    call = channel.stream_stream(report)()
    await call.write(b"")
    assert await call.read() == b""
    served.directory.refusals["310000"] = AppDisabledError(app_id="310000", state="SUSPENDED")
    served.clock.advance(6)
    await call.write(b"")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call.read()
    assert reason_of(refused.value) == "APP_DISABLED"


@pytest.mark.req("8.1-03")
def test_a_failed_handshake_is_on_standard_error_with_why(tmp_path: Path) -> None:
    program = """
import asyncio, sys
from pathlib import Path
from kit.serving import Served, attempt
async def main():
    served = await Served(Path(sys.argv[1])).start()
    await attempt(served.channel(served.pki.foreign("spiffe://r110000.govcode/app/x")),
                  "/govcode.code.v1.CodeApplicationService/ScanCode")
    await served.stop()
asyncio.run(main())
"""
    environment = {name: value for name, value in os.environ.items() if name != "GRPC_VERBOSITY"}
    environment["PYTHONPATH"] = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], env=environment, capture_output=True, text=True, check=True
    )
    assert "Handshake failed" in done.stderr
    assert "unable to get local issuer certificate" in done.stderr
