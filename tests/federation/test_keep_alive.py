"""Quiet connections: pings without calls are welcome at the agreed pace, silent streams give signs of life (N-53).

These take half a minute of real time, since what is measured is time; all of it is watched at once.
"""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from govcode.code.v1 import code_application_service_pb2 as appv1
from kit.federation import Federation
from kit.http2_probe import PingProbe

pytestmark = pytest.mark.asyncio(loop_scope="session")

ALLOWED_PACE = 10.2
PINGS = 4
"""The core's own rule forgives two pings that come too soon, and each but the first would: the fourth tells."""


@dataclass(frozen=True)
class HalfMinute:
    """What was seen: two callers that ping, and the moments of a stream's messages."""

    patient: PingProbe
    impatient: PingProbe
    heard_at: list[float]
    seconds: float


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def half_minute(federation: Federation) -> AsyncIterator[HalfMinute]:
    """Half a minute in which nobody makes a call."""
    wuhan = federation.wuhan
    address, pki, certificate = wuhan.app.address, wuhan.pki, wuhan.pki.app("counter-app", region=wuhan.node_id)
    patient, impatient = [await PingProbe.open(address, certificate, pki=pki) for _ in range(2)]
    stream = wuhan.holders.stub.WatchEvents(appv1.WatchEventsRequest())
    begun, heard_at = time.monotonic(), []

    async def listen() -> None:
        while True:
            await stream.read()
            heard_at.append(time.monotonic() - begun)

    listening = asyncio.create_task(listen())
    await asyncio.gather(
        patient.ping(every=ALLOWED_PACE, times=PINGS - 1),
        impatient.ping(every=1, times=8),
    )
    await patient.ping(every=1, times=1)
    listening.cancel()
    stream.cancel()
    await asyncio.wait({listening})
    yield HalfMinute(patient, impatient, heard_at, time.monotonic() - begun)
    await patient.close()
    await impatient.close()


@pytest.mark.req("N-53")
async def test_pings_without_calls_are_answered_at_the_agreed_pace(half_minute: HalfMinute) -> None:
    assert half_minute.patient.goodbye == b""
    assert not half_minute.patient.closed.is_set()
    assert half_minute.patient.answered == PINGS


async def test_a_caller_that_pings_without_measure_is_sent_away(half_minute: HalfMinute) -> None:
    assert half_minute.impatient.goodbye == b"too_many_pings"


@pytest.mark.req("N-52")
async def test_a_silent_stream_gives_a_sign_of_life_at_least_every_twenty_seconds(half_minute: HalfMinute) -> None:
    moments = [*half_minute.heard_at, half_minute.seconds]
    assert moments[0] < 1
    assert max(later - earlier for earlier, later in itertools.pairwise(moments)) <= 20
