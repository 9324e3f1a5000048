"""The HTTP provider bears the quirks of licence-sharing services (GB/T 36906 family) and keeps its bounds (N-24)."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from govcode_node.domain.breakers import BreakerState
from govcode_node.domain.licenses import (
    License,
    LicenseNotFoundError,
    LicenseSealInvalidError,
    LicenseServiceQuotaError,
    LicenseServiceUnavailableError,
    Locator,
    LocatorSource,
)
from govcode_node.providers.licence.shared_service_settings import SharedServiceSettings, request_to_sign, sign_request
from kit.clocks import MovableClock
from kit.licence_systems import HttpSystem
from kit.shared_service import APP_ID, SECRET

ZHANG = Locator(name="张样例", number="420100198802149916", source=LocatorSource.STORE)


@pytest.fixture
async def system(folder: Path, clock: MovableClock) -> AsyncIterator[HttpSystem]:
    async with HttpSystem(folder, clock) as running:
        yield running


async def fetch(system: HttpSystem, license_type: str = "birth-certificate", *, document: bool = False) -> License:
    return await system.provider.fetch(ZHANG, license_type, field_names=("name",), document=document)


async def read(system: HttpSystem, licence: License) -> bytes:
    file = io.BytesIO()
    async with aclosing(system.provider.read_document(licence)) as pieces:  # type: ignore[type-var]
        async for piece in pieces:
            file.write(piece)
    return file.getvalue()


async def wait_asked(system: HttpSystem) -> float:
    with pytest.raises(LicenseServiceUnavailableError) as caught:
        await fetch(system)
    return caught.value.retry_after_seconds


@pytest.mark.req("N-24")
async def test_one_token_serves_many_requests(system: HttpSystem) -> None:
    await asyncio.gather(*(fetch(system) for _ in range(5)))
    assert system.service.asked["token"] == 1
    assert system.service.asked["query"] == system.service.asked["record"] == 5
    assert system.service.refused == []


@pytest.mark.req("N-24")
async def test_token_that_the_service_takes_no_longer_is_renewed_unseen(system: HttpSystem) -> None:
    await fetch(system)
    system.service.expire_tokens()
    licence = await fetch(system, document=True)
    system.service.expire_tokens()
    assert licence.document is not None
    assert len(await read(system, licence)) == licence.document.size
    assert system.service.asked["token"] == 3


@pytest.mark.req("N-24")
async def test_token_is_renewed_before_it_runs_out(system: HttpSystem, clock: MovableClock) -> None:
    await fetch(system)
    clock.advance(7200 * 0.9 + 1)
    await fetch(system)
    assert system.service.asked["token"] == 2


async def test_service_that_refuses_every_token_is_not_asked_for_ever(system: HttpSystem) -> None:
    system.service.token_uses = 0
    with pytest.raises(LicenseServiceUnavailableError):
        await fetch(system)
    assert system.service.asked["query"] == 2


@pytest.mark.req("N-24")
async def test_requests_carry_the_signature_of_the_application(system: HttpSystem) -> None:
    system.use(secret=b"another secret that is wrong")
    with pytest.raises(LicenseServiceUnavailableError):
        await fetch(system)
    assert system.service.refused == ["/token"]


def test_signature_depends_on_every_part_of_a_request() -> None:
    parts = ("app", "/path", "1700000000000", "nonce", b"body")
    signatures = {sign_request(SECRET, request_to_sign(*parts))}
    for place in range(5):
        changed: list[Any] = list(parts)
        changed[place] += b"x" if place == 4 else "x"
        signatures.add(sign_request(SECRET, request_to_sign(*changed)))
    signatures.add(sign_request(SECRET + b"x", request_to_sign(*parts)))
    assert len(signatures) == 7


@pytest.mark.req("N-24")
async def test_pages_are_read_to_their_end_though_the_service_makes_them_shorter(system: HttpSystem) -> None:
    system.service.page_limit = 1
    places = await system.provider.locate(ZHANG, ("birth-certificate", "driving-licence"))
    assert len(places) == 5
    assert system.service.asked["query"] == 5


async def test_pages_without_end_are_not_followed(system: HttpSystem) -> None:
    one = {"total": 10**9}
    system.service.page_limit = 1
    system.service.spoil = lambda path, data: (
        data | one | {"items": data["items"] or [ITEM]} if path == "query" else data
    )
    with pytest.raises(LicenseServiceUnavailableError):
        await system.provider.locate(ZHANG, ("birth-certificate",))
    assert system.service.asked["query"] == 20


ITEM = {
    "licenceId": "x",
    "licenceType": "birth-certificate",
    "licenceNumber": "SPECIMEN",
    "issuerName": "样例",
    "regionCode": "310000",
    "status": "VALID",
}


@pytest.mark.req("N-24")
async def test_used_up_quota_is_said_and_the_service_left_alone_until_its_time(
    system: HttpSystem, clock: MovableClock
) -> None:
    system.service.quota = 0
    system.service.retry_after = 600
    with pytest.raises(LicenseServiceQuotaError) as caught:
        await fetch(system)
    assert caught.value.retry_after_seconds == pytest.approx(600)
    clock.advance(590)
    with pytest.raises(LicenseServiceQuotaError) as caught:
        await fetch(system)
    assert caught.value.retry_after_seconds == pytest.approx(10)
    assert system.service.asked["query"] == 1
    clock.advance(11)
    system.service.quota = None
    assert (await fetch(system)).fields == {"name": "张样例"}


async def test_quota_without_a_time_waits_an_hour(system: HttpSystem) -> None:
    system.service.quota, system.service.retry_after = 0, None
    with pytest.raises(LicenseServiceQuotaError) as caught:
        await fetch(system)
    assert caught.value.retry_after_seconds == pytest.approx(3600)


@pytest.mark.req("N-24")
async def test_later_is_obeyed_and_passed_on(system: HttpSystem, clock: MovableClock) -> None:
    system.service.later = 1
    assert await wait_asked(system) == pytest.approx(30)
    assert await wait_asked(system) == pytest.approx(30)
    assert system.service.asked["query"] == 1
    clock.advance(31)
    assert (await fetch(system)).fields == {"name": "张样例"}


async def test_too_many_requests_by_http_status_is_later_too(system: HttpSystem) -> None:
    system.service.http_status = 429
    assert await wait_asked(system) == pytest.approx(7)


async def test_silly_times_to_wait_are_bounded(system: HttpSystem) -> None:
    system.service.later, system.service.retry_after = 1, 1e12
    assert await wait_asked(system) == pytest.approx(24 * 3600)


@pytest.mark.req("N-24")
async def test_slow_service_is_waited_for(system: HttpSystem) -> None:
    """The default patience is longer than the eight seconds that services take on a bad day."""
    assert SharedServiceSettings(base_url=system.service.url, app_id=APP_ID, secret=SECRET).answer_timeout > 8
    system.service.gate.clear()
    waiting = asyncio.ensure_future(fetch(system))
    await system.service.arrived.wait()
    assert not waiting.done()
    system.service.gate.set()
    assert (await waiting).fields == {"name": "张样例"}


@pytest.mark.req("N-24")
async def test_hanging_service_is_given_up_and_then_left_alone(system: HttpSystem, clock: MovableClock) -> None:
    system.use(answer_timeout=0.05, breaker_failures=2, breaker_open=60.0)
    system.service.gate.clear()
    for _ in range(2):
        await wait_asked(system)
    assert system.client.breaker_state is BreakerState.OPEN
    asked = system.service.asked["query"]
    assert await wait_asked(system) == pytest.approx(60)
    assert system.service.asked["query"] == asked
    system.service.gate.set()
    clock.advance(61)
    system.use()
    assert (await fetch(system)).fields == {"name": "张样例"}


async def test_breaker_closes_again_when_the_service_is_back(system: HttpSystem, clock: MovableClock) -> None:
    system.use(breaker_failures=2, breaker_open=60.0)
    system.service.http_status = 500
    for _ in range(2):
        await wait_asked(system)
    assert system.client.breaker_state is BreakerState.OPEN
    system.service.http_status = None
    clock.advance(61)
    await fetch(system)
    assert system.client.breaker_state is BreakerState.CLOSED


async def test_refusals_and_departed_callers_do_not_open_the_breaker(system: HttpSystem) -> None:
    system.use(breaker_failures=1)
    system.service.code = "10404"
    with pytest.raises(LicenseNotFoundError):
        await fetch(system)
    system.service.code = None
    system.service.gate.clear()
    system.service.arrived.clear()
    leaving = asyncio.ensure_future(fetch(system))
    await system.service.arrived.wait()
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert system.client.breaker_state is BreakerState.CLOSED


@pytest.mark.req("N-24")
@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<html>maintenance</html>",
        b"[]",
        b'{"code": "0"}',
        b'{"code": "0", "data": []}',
        b'{"code": null, "data": {}}',
        b'{"code": "99999", "data": {}}',
        b'{"code": "0", "data": {"total": "many", "items": []}}',
        b'{"code": "0", "data": {"total": 1, "items": [{}]}}',
        b"[" * 100_000,
        b'{"code": "0", "data": {}, "x": "' + b"x" * 1_100_000 + b'"}',
    ],
)
async def test_nonsense_inside_a_200_is_no_answer(system: HttpSystem, raw: bytes) -> None:
    system.service.raw = raw
    await wait_asked(system)


@pytest.mark.parametrize("status", [204, 301, 302, 307, 400, 403, 404, 500, 502, 503])
async def test_other_http_status_is_no_answer_and_no_redirect_is_followed(system: HttpSystem, status: int) -> None:
    system.service.http_status = status
    await wait_asked(system)
    assert system.service.asked["query"] == 1


@pytest.mark.parametrize("change", [{"status": "UNHEARD_OF"}, {"regionCode": "../x"}, {"licenceId": None, "status": 1}])
async def test_licence_that_is_not_understood_is_not_taken_for_none(system: HttpSystem, change: dict[str, Any]) -> None:
    system.service.spoil = lambda path, data: data | {"items": [ITEM | change], "total": 1} if path == "query" else data
    with pytest.raises(LicenseServiceUnavailableError):
        await system.provider.locate(ZHANG, ("birth-certificate",))


@pytest.mark.req("6.3-15")
async def test_good_record_of_another_licence_is_refused(system: HttpSystem, folder: Path) -> None:
    records = [json.loads(path.read_bytes()) for path in (folder / "records").iterdir()]
    other = next(each for each in records if each["record"]["license_type"] == "marriage-certificate")
    swapped = {name: other[name] for name in ("record", "seal", "fields", "status")}
    system.service.spoil = lambda path, data: swapped if path == "record" else data
    with pytest.raises(LicenseSealInvalidError) as caught:
        await fetch(system)
    assert caught.value.why == "OTHER_LICENCE"


@pytest.mark.req("N-24", "N-25")
@pytest.mark.parametrize("spoil", ["cut", "short", "long", "gone"])
async def test_file_that_is_not_whole_is_given_up(system: HttpSystem, spoil: str) -> None:
    licence = await fetch(system, document=True)
    if spoil == "cut":
        system.service.cut_file = 300_000
    elif spoil == "gone":
        system.service.code = "10404"
    else:
        change = (lambda data: data[:-1]) if spoil == "short" else (lambda data: data + b"x")
        system.service.spoil = lambda path, data: change(data) if path == "file" else data
    with pytest.raises(LicenseServiceUnavailableError):
        await read(system, licence)


async def test_reader_of_a_file_may_leave_in_the_middle(system: HttpSystem) -> None:
    system.use(breaker_failures=1)
    licence = await fetch(system, document=True)
    async with aclosing(system.provider.read_document(licence)) as pieces:  # type: ignore[type-var]
        async for _ in pieces:
            break
    assert system.client.breaker_state is BreakerState.CLOSED
    assert licence.document is not None
    assert len(await read(system, licence)) == licence.document.size


@pytest.mark.req("N-21")
async def test_number_and_name_travel_in_bodies_alone(system: HttpSystem) -> None:
    await fetch(system, document=True)
    assert {"holderNumber", "holderName"} <= system.service.bodies[0].keys()
    assert all("holderNumber" not in body for body in system.service.bodies[1:])


@pytest.mark.req("6.3-14")
async def test_service_is_asked_for_the_granted_fields_alone(system: HttpSystem) -> None:
    await fetch(system)
    assert system.service.bodies[-1]["fields"] == ["name"]


@pytest.mark.parametrize("url", ["http://licences.example/", "ftp://127.0.0.1", "http://10.0.0.1", "licences"])
def test_unprotected_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="https"):
        SharedServiceSettings(base_url=url, app_id=APP_ID, secret=SECRET)


def test_short_secret_is_refused_and_none_is_shown() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        SharedServiceSettings(base_url="https://x", app_id=APP_ID, secret=b"short")
    assert "secret for tests" not in repr(SharedServiceSettings(base_url="https://x", app_id=APP_ID, secret=SECRET))
