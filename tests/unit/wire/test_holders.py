"""Holders' proofs: the signature is the device's, over exactly these bytes, and the facts come from nowhere else."""

from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.message import Message
from govcode.authorization.v1 import statement_pb2 as authorizationv1
from govcode.code.v1 import statement_pb2 as statementv1
from govcode.common.v1 import holder_pb2 as holderv1
from govcode_client.evidence_rules import holder_bytes
from govcode_client.sm2 import Sm2PrivateKey, Sm2PublicKey, Sm2VerificationError, key_id_of
from govcode_node.domain.accounts import HolderProofInvalidError
from govcode_node.domain.errors import InvalidFieldError
from govcode_node.domain.keys import InvalidSignatureError
from govcode_node.ports.security import HolderProof, HolderStatement, ItemDecision
from govcode_node.wire.holders import (
    WireHolderVerifier,
    holder_proof_from_proto,
    holder_proof_to_proto,
    identification_from_proto,
)
from govcode_node.wire.times import moment_to_proto
from hypothesis import given
from hypothesis import strategies as st

SIGNED_AT = datetime(2026, 12, 1, 8, 0, 0, 250_000, tzinfo=UTC)
DEVICE = Sm2PrivateKey.generate()
POINT = DEVICE.public_key.to_point()
KEY_ID = key_id_of(POINT)
OTHER = Sm2PrivateKey.generate()
STAMP = moment_to_proto(SIGNED_AT)

OPEN_ACCOUNT = statementv1.OpenAccountStatement(
    identification_id="id-1", biz_serial="S-1", signed_time=STAMP, device_public_key=POINT, terms_version="2026-01"
)
OPEN_SESSION = statementv1.OpenSessionStatement(identification_id="id-1", biz_serial="S-1", signed_time=STAMP)
BIND_DEVICE = statementv1.BindDeviceStatement(
    identification_id="id-1", biz_serial="S-1", signed_time=STAMP, device_public_key=POINT
)
CLOSE_ACCOUNT = statementv1.CloseAccountStatement(session_id="0011223344556677", biz_serial="S-1", signed_time=STAMP)
MAKE_CODE = statementv1.MakeCodeStatement(ticket="t" * 32, nonce=b"n" * 16, biz_serial="S-1", signed_time=STAMP)

AUTHORIZATION = "au_" + "0f" * 16
MATTERS, TYPES = tuple(f"M-{no}" for no in range(32)), tuple(f"t-{no}" for no in range(32))
DECIDE = authorizationv1.DecideAuthorizationStatement(
    session_id="0011223344556677",
    biz_serial="S-1",
    signed_time=STAMP,
    authorization_id=AUTHORIZATION,
    notice_version="2026-11",
    notice_hash=b"h" * 32,
    items=[
        authorizationv1.ItemDecision(item_no=1, granted=True, sensitive_confirmed=True, license_node_id="310000"),
        authorizationv1.ItemDecision(item_no=2),
    ],
    step_up_digest=b"d" * 32,
    mandate_id="ma_1",
)
WITHDRAW = authorizationv1.WithdrawAuthorizationStatement(
    session_id="0011223344556677", biz_serial="S-1", signed_time=STAMP, authorization_id=AUTHORIZATION
)
GIVE_MANDATE = authorizationv1.GiveMandateStatement(
    session_id="0011223344556677",
    biz_serial="S-1",
    signed_time=STAMP,
    agent_account_id="ac_2",
    matter_codes=MATTERS,
    license_types=TYPES,
    start_time=STAMP,
    end_time=STAMP,
)
CANCEL_MANDATE = authorizationv1.CancelMandateStatement(
    session_id="0011223344556677", biz_serial="S-1", signed_time=STAMP, mandate_id="ma_1"
)


async def verify(point: bytes, signature: bytes, data: bytes) -> None:
    try:
        Sm2PublicKey.from_point(point).verify(signature, data)
    except (Sm2VerificationError, ValueError) as fault:
        raise InvalidSignatureError from fault


VERIFIER = WireHolderVerifier(verify=verify)


def proof_over(
    said: Message | bytes, *, act: str = "OpenSessionStatement", key: Sm2PrivateKey = DEVICE, key_id: str = KEY_ID
) -> HolderProof:
    """A device's proof over a statement, or over any bytes as those of an act."""
    name, statement = f"govcode.code.v1.{act}", said
    if isinstance(said, Message):
        name, statement = said.DESCRIPTOR.full_name, said.SerializeToString()
    assert isinstance(statement, bytes)
    return HolderProof(statement=statement, device_key_id=key_id, signature=key.sign(holder_bytes(name, statement)))


async def refusal(proof: HolderProof, *, act: str, public_key: bytes | None = POINT) -> str:
    with pytest.raises(HolderProofInvalidError) as caught:
        await VERIFIER.verify(proof, act=act, public_key=public_key)
    return caught.value.why


@pytest.mark.parametrize(
    ("message", "public_key", "facts"),
    [
        (
            OPEN_ACCOUNT,
            None,
            {"identification_id": "id-1", "device_public_key": POINT, "terms_version": "2026-01"},
        ),
        (OPEN_SESSION, POINT, {"identification_id": "id-1"}),
        (BIND_DEVICE, None, {"identification_id": "id-1", "device_public_key": POINT}),
        (CLOSE_ACCOUNT, POINT, {"session_id": "0011223344556677"}),
        (MAKE_CODE, POINT, {"ticket": "t" * 32, "nonce": b"n" * 16}),
        (
            DECIDE,
            POINT,
            {
                "session_id": "0011223344556677",
                "authorization_id": AUTHORIZATION,
                "notice_version": "2026-11",
                "notice_hash": b"h" * 32,
                "decisions": (
                    ItemDecision(item_no=1, granted=True, sensitive_confirmed=True, license_node="310000"),
                    ItemDecision(item_no=2, granted=False),
                ),
                "step_up_digest": b"d" * 32,
                "mandate_id": "ma_1",
            },
        ),
        (WITHDRAW, POINT, {"session_id": "0011223344556677", "authorization_id": AUTHORIZATION}),
        (
            GIVE_MANDATE,
            POINT,
            {
                "session_id": "0011223344556677",
                "agent_account_id": "ac_2",
                "matter_codes": MATTERS,
                "license_types": TYPES,
                "starts_at": SIGNED_AT,
                "ends_at": SIGNED_AT,
            },
        ),
        (CANCEL_MANDATE, POINT, {"session_id": "0011223344556677", "mandate_id": "ma_1"}),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_a_good_proof_gives_the_facts_that_were_signed(
    message: Message, public_key: bytes | None, facts: dict[str, Any]
) -> None:
    proof = proof_over(message)
    read = await VERIFIER.verify(proof, act=type(message).__name__, public_key=public_key)
    expected = HolderStatement(biz_serial="S-1", signed_at=SIGNED_AT, device_key_id=KEY_ID)
    assert read == HolderStatement(
        **{name: facts.get(name, getattr(expected, name)) for name in HolderStatement.__dataclass_fields__}
    )


async def test_a_signature_of_another_device_is_refused() -> None:
    statement = CLOSE_ACCOUNT.SerializeToString()
    assert await refusal(proof_over(statement, key=OTHER), act="CloseAccountStatement") == "SIGNATURE"
    assert await refusal(proof_over(statement, key=OTHER), act="OpenAccountStatement", public_key=None) in {
        "KEY",
        "OTHER_ACT",
    }


async def test_the_key_must_be_the_one_that_is_named() -> None:
    other_id = key_id_of(OTHER.public_key.to_point())
    proof = proof_over(CLOSE_ACCOUNT, key_id=other_id)
    assert await refusal(proof, act="CloseAccountStatement") == "KEY"
    brought = proof_over(OPEN_ACCOUNT, key=OTHER, key_id=other_id)
    assert await refusal(brought, act="OpenAccountStatement", public_key=None) == "KEY"


@given(st.integers(0, len(OPEN_SESSION.SerializeToString()) * 8 - 1))
def test_every_altered_bit_of_a_statement_is_refused(bit: int) -> None:
    import asyncio

    statement = bytearray(OPEN_SESSION.SerializeToString())
    proof = proof_over(bytes(statement))
    statement[bit // 8] ^= 1 << bit % 8
    altered = HolderProof(statement=bytes(statement), device_key_id=KEY_ID, signature=proof.signature)
    assert asyncio.run(refusal(altered, act="OpenSessionStatement")) == "SIGNATURE"


@pytest.mark.parametrize(("size", "fine"), [(8192, True), (8193, False), (100_000, False)])
async def test_a_statement_has_at_most_8192_bytes(size: int, fine: bool) -> None:
    def of_length(length: int) -> statementv1.OpenSessionStatement:
        return statementv1.OpenSessionStatement(identification_id="i" * length, biz_serial="S-1", signed_time=STAMP)

    statement = of_length(size - of_length(size).ByteSize() + size).SerializeToString()
    assert len(statement) == size
    proof = proof_over(statement)
    if fine:
        assert (await VERIFIER.verify(proof, act="OpenSessionStatement", public_key=POINT)).biz_serial == "S-1"
    else:
        assert await refusal(proof, act="OpenSessionStatement") == "STATEMENT"


async def test_an_empty_statement_is_refused() -> None:
    assert await refusal(proof_over(b""), act="OpenSessionStatement") == "STATEMENT"


@pytest.mark.parametrize("length", [0, 63, 65, 4096])
async def test_a_signature_has_64_bytes(length: int) -> None:
    proof = HolderProof(statement=OPEN_SESSION.SerializeToString(), device_key_id=KEY_ID, signature=bytes(length))
    assert await refusal(proof, act="OpenSessionStatement") == "SIGNATURE"


@pytest.mark.parametrize(
    ("message", "act"),
    [
        (OPEN_ACCOUNT, "OpenSessionStatement"),
        (BIND_DEVICE, "OpenSessionStatement"),
        (OPEN_ACCOUNT, "CloseAccountStatement"),
        (MAKE_CODE, "CloseAccountStatement"),
        (MAKE_CODE, "OpenSessionStatement"),
    ],
)
async def test_a_statement_of_another_act_is_refused(message: statementv1.OpenAccountStatement, act: str) -> None:
    assert await refusal(proof_over(message), act=act) in {"OTHER_ACT", "STATEMENT", "SIGNATURE"}


async def test_what_was_signed_to_open_a_session_does_not_close_the_account() -> None:
    """The two statements have the same form on the wire; only the name under the signature tells them apart."""
    twin = statementv1.OpenSessionStatement.FromString(CLOSE_ACCOUNT.SerializeToString())
    assert await refusal(proof_over(twin), act="CloseAccountStatement") == "SIGNATURE"


async def test_an_account_opening_cannot_be_turned_into_a_device_binding() -> None:
    proof = proof_over(OPEN_ACCOUNT)
    assert await refusal(proof, act="BindDeviceStatement", public_key=None) in {"OTHER_ACT", "SIGNATURE"}


@pytest.mark.parametrize(
    "statement",
    [
        statementv1.OpenSessionStatement(biz_serial="S-1", signed_time=STAMP),
        statementv1.OpenSessionStatement(identification_id="id-1", signed_time=STAMP),
        statementv1.OpenSessionStatement(identification_id="id-1", biz_serial="S\n1", signed_time=STAMP),
    ],
)
async def test_a_signed_statement_that_lacks_a_fact_is_refused(statement: statementv1.OpenSessionStatement) -> None:
    assert await refusal(proof_over(statement), act="OpenSessionStatement") == "STATEMENT"


def spoilt(message: Any, **fields: Any) -> Any:
    """A statement with fields changed or, where None, cleared."""
    copy = type(message)()
    copy.CopyFrom(message)
    for name, value in fields.items():
        copy.ClearField(name)
        if isinstance(value, list):
            getattr(copy, name).extend(value)
        elif value is not None:
            setattr(copy, name, value)
    return copy


@pytest.mark.req("N-30")
@pytest.mark.parametrize(
    "statement",
    [
        spoilt(DECIDE, session_id=None),
        spoilt(DECIDE, authorization_id="au_1"),
        spoilt(DECIDE, notice_version=None),
        spoilt(DECIDE, notice_hash=b"h" * 31),
        spoilt(DECIDE, step_up_digest=b"d"),
        spoilt(DECIDE, items=[authorizationv1.ItemDecision(item_no=0)]),
        spoilt(DECIDE, items=[authorizationv1.ItemDecision(item_no=17)]),
        spoilt(DECIDE, items=[authorizationv1.ItemDecision(item_no=1), authorizationv1.ItemDecision(item_no=1)]),
        spoilt(DECIDE, items=[authorizationv1.ItemDecision(item_no=1, license_node_id="Shanghai")]),
        spoilt(WITHDRAW, authorization_id=None),
        spoilt(WITHDRAW, session_id=None),
        spoilt(GIVE_MANDATE, agent_account_id=None),
        spoilt(GIVE_MANDATE, matter_codes=[]),
        spoilt(GIVE_MANDATE, matter_codes=["m"] * 33),
        spoilt(GIVE_MANDATE, license_types=["ID"]),
        spoilt(GIVE_MANDATE, end_time=None),
        spoilt(GIVE_MANDATE, start_time=None),
        spoilt(CANCEL_MANDATE, mandate_id=None),
    ],
)
async def test_a_signed_word_on_an_authorization_that_is_not_whole_is_none(statement: Message) -> None:
    assert await refusal(proof_over(statement), act=type(statement).__name__) == "STATEMENT"


async def test_no_word_on_any_item_refuses_all() -> None:
    read = await VERIFIER.verify(
        proof_over(spoilt(DECIDE, items=[])), act="DecideAuthorizationStatement", public_key=POINT
    )
    assert read.decisions == ()


@pytest.mark.req("N-30")
async def test_the_longest_mandate_is_no_longer_than_a_statement_may_be() -> None:
    longest = spoilt(
        GIVE_MANDATE,
        session_id="s" * 64,
        biz_serial="b" * 64,
        agent_account_id="a" * 64,
        matter_codes=[f"{no:064}" for no in range(32)],
        license_types=[f"{no:064}" for no in range(32)],
    )
    read = await VERIFIER.verify(proof_over(longest), act="GiveMandateStatement", public_key=POINT)
    assert len(read.matter_codes) == len(read.license_types) == 32


@pytest.mark.req("N-30")
async def test_a_withdrawal_of_one_package_is_no_act_of_another() -> None:
    """A statement of this form under another package's name is another act, and so is any other statement."""
    statement = WITHDRAW.SerializeToString()
    forged = holder_bytes("govcode.code.v1.WithdrawAuthorizationStatement", statement)
    proof = HolderProof(statement=statement, device_key_id=KEY_ID, signature=DEVICE.sign(forged))
    assert await refusal(proof, act="WithdrawAuthorizationStatement") == "SIGNATURE"
    twin = authorizationv1.CancelMandateStatement.FromString(statement)
    assert await refusal(proof_over(twin), act="WithdrawAuthorizationStatement") == "SIGNATURE"


@pytest.mark.req("N-30")
async def test_a_word_that_a_newer_device_adds_to_an_item_is_not_passed_over() -> None:
    newer = authorizationv1.DecideAuthorizationStatement.FromString(DECIDE.SerializeToString())
    newer.items[0].MergeFromString(b"\xfa\x3e\x03new")
    assert await refusal(proof_over(newer), act="DecideAuthorizationStatement") == "OTHER_ACT"


async def test_signed_bytes_that_are_no_statement_are_refused() -> None:
    assert await refusal(proof_over(b"\xff\xff"), act="OpenSessionStatement") == "STATEMENT"


async def test_an_act_that_brings_no_key_needs_one() -> None:
    proof = proof_over(OPEN_SESSION)
    assert await refusal(proof, act="OpenSessionStatement", public_key=None) == "KEY"


async def test_a_point_that_is_none_is_refused() -> None:
    bad = b"\x04" + bytes(64)
    message = statementv1.BindDeviceStatement(
        identification_id="id-1", biz_serial="S-1", signed_time=STAMP, device_public_key=bad
    )
    proof = proof_over(message, key_id=key_id_of(bad))
    assert await refusal(proof, act="BindDeviceStatement", public_key=None) == "SIGNATURE"


@given(st.binary(min_size=1, max_size=50), st.text("0123456789abcdef", max_size=16), st.binary(max_size=64))
def test_a_proof_comes_back_as_it_was_sent(statement: bytes, key_id: str, signature: bytes) -> None:
    proof = HolderProof(statement=statement, device_key_id=key_id, signature=signature)
    assert holder_proof_from_proto(holder_proof_to_proto(proof)) == proof


def test_a_missing_proof_is_said_to_be_missing() -> None:
    with pytest.raises(HolderProofInvalidError) as caught:
        holder_proof_from_proto(holderv1.HolderProof())
    assert caught.value.why == "MISSING"


def test_an_identification_is_capped_and_its_blob_never_shows() -> None:
    read = identification_from_proto(holderv1.Identification(identification_id="id-1", provider_blob=b"secret"))
    assert (read.identification_id, read.provider_blob) == ("id-1", b"secret")
    assert "secret" not in repr(read)
    for bad in (
        holderv1.Identification(provider_blob=b"x"),
        holderv1.Identification(identification_id="id-1"),
        holderv1.Identification(identification_id="id-1", provider_blob=bytes(16_385)),
    ):
        with pytest.raises(InvalidFieldError):
            identification_from_proto(bad)
