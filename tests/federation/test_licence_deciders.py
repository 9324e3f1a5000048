"""Who has a back end's certificate and no device of the holder's decides nothing and takes nothing back (N-30)."""

from collections.abc import Awaitable, Callable

import pytest
from govcode.authorization.v1 import authorization_pb2 as authorizationv1
from govcode.authorization.v1 import statement_pb2 as statementv1
from govcode.common.v1 import holder_pb2
from govcode_client import NodeError
from govcode_client.device import HolderDevice
from kit.federation import WUHAN
from kit.licence_players import SENSITIVE, Consent, LicenceLand
from kit.players import serial

pytestmark = pytest.mark.asyncio(loop_scope="session")

PENDING = authorizationv1.AUTHORIZATION_STATE_PENDING
GRANTED = authorizationv1.AUTHORIZATION_STATE_GRANTED
WITHDRAWN = authorizationv1.AUTHORIZATION_STATE_WITHDRAWN

Act = Callable[[holder_pb2.HolderProof], Awaitable[object]]


async def refused(act: Awaitable[object]) -> str:
    """The reason for which something was refused."""
    with pytest.raises(NodeError) as caught:
        await act
    return caught.value.reason


async def state_of(consent: Consent) -> int:
    answer = await consent.holders.authorizations.get(
        authorization_id=consent.authorization_id, session_token=consent.holder.token
    )
    return answer.authorization.state


async def proofs_of_a_thief(own: holder_pb2.HolderProof, seen: holder_pb2.HolderProof) -> list[holder_pb2.HolderProof]:
    """What somebody can make of an own device's proof and of what else has passed through the stolen back end."""
    under_the_holders_name = holder_pb2.HolderProof()
    under_the_holders_name.CopyFrom(own)
    under_the_holders_name.device_key_id = seen.device_key_id
    signed_by_the_holder_for_something_else = holder_pb2.HolderProof()
    signed_by_the_holder_for_something_else.CopyFrom(seen)
    signed_by_the_holder_for_something_else.statement = own.statement
    unsigned = holder_pb2.HolderProof(statement=own.statement, device_key_id=seen.device_key_id)
    return [own, under_the_holders_name, signed_by_the_holder_for_something_else, unsigned]


@pytest.mark.req("N-30", "6.3-08")
async def test_a_stolen_certificate_with_a_stolen_session_can_neither_decide_nor_withdraw(
    licence_land: LicenceLand,
) -> None:
    land = licence_land
    stolen = land.client(WUHAN, "holder-app").authorizations
    pending, granted, earlier = await land.asked(), await land.granted(), await land.asked()
    token = pending.holder.token
    thief = HolderDevice.generate(now=land.federation.wuhan.clock.now)
    # A decision of the holder's own, and a withdrawal, that the thief has seen pass.
    seen_deciding = pending.holder.device.prove_decide(
        session_token=token, authorization_id=earlier.authorization_id, page=await earlier.page(), granted=(1,)
    )
    await stolen.decide(session_token=token, proof=seen_deciding)
    seen_withdrawing = pending.holder.device.prove_withdraw(
        session_token=token, authorization_id=earlier.authorization_id
    )
    await stolen.withdraw(session_token=token, proof=seen_withdrawing)
    deciding = thief.prove_decide(
        session_token=token, authorization_id=pending.authorization_id, page=await pending.page(), granted=(1,)
    )
    withdrawing = thief.prove_withdraw(session_token=token, authorization_id=granted.authorization_id)
    for proof in await proofs_of_a_thief(deciding, seen_deciding):
        assert await refused(stolen.decide(session_token=token, proof=proof)) == "HOLDER_PROOF_INVALID"
    for proof in await proofs_of_a_thief(withdrawing, seen_withdrawing):
        assert await refused(stolen.withdraw(session_token=token, proof=proof)) == "HOLDER_PROOF_INVALID"
    # What the holder has signed before says what it was for, and does that once.
    assert (await stolen.decide(session_token=token, proof=seen_deciding)).replayed
    assert (await stolen.withdraw(session_token=token, proof=seen_withdrawing)).replayed
    assert (await state_of(pending), await state_of(granted)) == (PENDING, GRANTED)
    # The holder's own device still can.
    await pending.grant()
    await granted.withdraw()
    assert (await state_of(pending), await state_of(granted)) == (GRANTED, WITHDRAWN)


@pytest.mark.req("N-30")
async def test_a_proof_does_not_pass_from_one_kind_of_act_to_another(licence_land: LicenceLand) -> None:
    """A withdrawal's signature over bytes that also read as a decision is none of a decision."""
    consent = await licence_land.asked()
    withdrawing = consent.holder.device.prove_withdraw(
        session_token=consent.holder.token, authorization_id=consent.authorization_id
    )
    page = await consent.page()
    as_decision = statementv1.DecideAuthorizationStatement.FromString(withdrawing.statement)
    as_decision.notice_version, as_decision.notice_hash = page.notice_version, page.notice_hash
    forged = holder_pb2.HolderProof()
    forged.CopyFrom(withdrawing)
    for statement in (withdrawing.statement, as_decision.SerializeToString()):
        forged.statement = statement
        attempt = consent.holders.authorizations.decide(session_token=consent.holder.token, proof=forged)
        assert await refused(attempt) == "HOLDER_PROOF_INVALID"
    assert await state_of(consent) == PENDING


@pytest.mark.req("N-30", "6.3-08")
async def test_a_counters_certificate_and_a_back_end_without_a_session_decide_nothing(
    licence_land: LicenceLand,
) -> None:
    consent = await licence_land.asked()
    proof = consent.holder.device.prove_decide(
        session_token=consent.holder.token,
        authorization_id=consent.authorization_id,
        page=await consent.page(),
        granted=(1,),
    )
    at_home = licence_land.counter(WUHAN).client.authorizations
    assert await refused(at_home.decide(session_token=consent.holder.token, proof=proof)) == "CALLER_NOT_ALLOWED"
    made_up = consent.holders.authorizations.decide(session_token="0" * 32, proof=proof)
    assert await refused(made_up) == "SESSION_INVALID"
    other = await licence_land.federation.holder(WUHAN, "张样例")
    foreign = other.device.prove_decide(
        session_token=other.token,
        authorization_id=consent.authorization_id,
        page=await consent.page(),
        granted=(1,),
    )
    attempt = consent.holders.authorizations.decide(session_token=other.token, proof=foreign)
    assert await refused(attempt) == "NOT_OWNER"
    assert await state_of(consent) == PENDING


@pytest.mark.req("N-30", "6.3-07")
async def test_a_step_up_that_is_moved_to_another_request_is_refused(licence_land: LicenceLand) -> None:
    one, other = await licence_land.asked(SENSITIVE), await licence_land.asked(SENSITIVE)
    assert await refused(other.grant((1,), confirmed=(1,))) == "STEP_UP_REQUIRED"
    begun = await one.begin_check()
    own = await other.begin_check()
    assert begun.step_up_digest != own.step_up_digest
    # Neither what is bound nor the check that is bound to it moves.
    moved_whole = other.grant_sensitive((1,), digest=begun.step_up_digest, identification_id=begun.identification_id)
    assert await refused(moved_whole) == "STEP_UP_MISMATCH"
    moved_check = other.grant_sensitive((1,), digest=own.step_up_digest, identification_id=begun.identification_id)
    assert await refused(moved_check) == "STEP_UP_MISMATCH"
    assert await state_of(other) == PENDING
    # A check for these items and this request is taken.
    fresh = await other.begin_check()
    await other.grant_sensitive((1,), digest=fresh.step_up_digest, identification_id=fresh.identification_id)
    assert await state_of(other) == GRANTED
    licence = await other.fetch(biz_serial=serial("use"))
    assert licence.fields == {"awarded": "授予簿-2012-7720"}
