"""Statements about authorizations and licences, as Hypothesis draws them: every one is well-formed."""

from datetime import UTC, datetime, timedelta
from typing import Final

from govcode_client.sm2 import Sm2PrivateKey
from govcode_node.domain.accounts import AccountId
from govcode_node.domain.authorizations import (
    AuthorizationAnswer,
    AuthorizationEntry,
    AuthorizationQuestion,
    AuthorizationState,
    ConsentRecord,
    ConsentRequest,
    DecidedItem,
    Grant,
    LegalBasis,
    QuestionKind,
    RequestedItem,
    SignedByHolder,
    StatutoryDuty,
    StepUp,
    UseState,
    Withdrawal,
    WithdrawalReason,
)
from govcode_node.domain.catalogue import AskedItem
from govcode_node.domain.codes import SubjectKind
from govcode_node.domain.digests import sm3
from govcode_node.domain.licenses import LicenseDelivery, LicenseStatus, LicenseUseRequest
from govcode_node.domain.scenes import SceneClass
from hypothesis import strategies as st
from kit.texts import shown_texts

_BEGIN: Final = datetime(1970, 1, 1, tzinfo=UTC)
POINTS: Final = st.sampled_from([Sm2PrivateKey.generate().public_key.to_point() for _ in range(3)])

MOMENTS = st.integers(0, 4_000_000_000_000).map(lambda ms: _BEGIN + timedelta(milliseconds=ms))
SPANS = st.integers(0, 90 * 86_400_000).map(lambda ms: timedelta(milliseconds=ms))
LASTING = st.integers(1, 90 * 86_400_000).map(lambda ms: timedelta(milliseconds=ms))
SHOWN = shown_texts()
IDS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=64)
DIGESTS = st.binary(min_size=32, max_size=32)
NODE_IDS = st.integers(11, 99).map(lambda province: f"{province}0000")
NAMES = st.text("abcxyz019-", min_size=1, max_size=64)
FIELD_NAMES = st.text("abcxyz019_", min_size=1, max_size=64)
MATTERS = st.text("ABZabz019-", min_size=1, max_size=64)
USES = st.integers(1, 2**32 - 1)


def made(prefix: str) -> st.SearchStrategy[str]:
    """Ids that a node has made."""
    return st.binary(min_size=16, max_size=16).map(lambda data: f"{prefix}_{data.hex()}")


@st.composite
def asked_items(draw: st.DrawFn, license_type: str | None = None) -> AskedItem:
    names = draw(st.lists(FIELD_NAMES, unique=True, max_size=4))
    return AskedItem(
        license_type=license_type or draw(NAMES),
        field_names=tuple(names),
        document=draw(st.booleans()) if names else True,
    )


@st.composite
def requested(draw: st.DrawFn) -> tuple[RequestedItem, ...]:
    types = draw(st.lists(NAMES, unique=True, min_size=1, max_size=4))
    return tuple(RequestedItem(item_no=no, asked=draw(asked_items(one))) for no, one in enumerate(types, start=1))


@st.composite
def decided(draw: st.DrawFn, *, granted: bool | None = None, most: int = 4) -> tuple[DecidedItem, ...]:
    numbers = draw(st.lists(st.integers(1, 16), unique=True, min_size=1, max_size=most))
    return tuple(
        DecidedItem(
            item_no=number,
            asked=draw(asked_items()),
            sensitive=draw(st.booleans()),
            granted=draw(st.booleans()) if granted is None else granted,
            license_node=draw(NODE_IDS | st.just("")),
        )
        for number in numbers
    )


DUTIES = st.builds(StatutoryDuty, statute=SHOWN, approval_reference=SHOWN)
SIGNED = st.builds(
    SignedByHolder,
    statement=st.binary(min_size=1, max_size=60),
    device_key_id=st.text("0123456789abcdef", min_size=16, max_size=16),
    signature=st.binary(min_size=64, max_size=64),
    device_public_key=POINTS,
)
STEP_UPS = st.builds(StepUp, provider=IDS, assurance_level=st.integers(1, 3), identified_at=MOMENTS, digest=DIGESTS)


@st.composite
def consent_requests(draw: st.DrawFn) -> ConsentRequest:
    entry, basis = draw(st.sampled_from(AuthorizationEntry)), draw(st.sampled_from(LegalBasis))
    statutory = basis is LegalBasis.STATUTORY_DUTY
    return ConsentRequest(
        authorization_id=draw(made("au")),
        visited_node=draw(NODE_IDS),
        home_node=draw(NODE_IDS),
        entry=entry,
        app_id=draw(NAMES),
        biz_serial=draw(IDS),
        scan_biz_serial=draw(IDS) if entry is AuthorizationEntry.RELYING_PARTY_SCANNED else "",
        relying_party_name=draw(SHOWN),
        relying_party_uscc=draw(IDS),
        relying_party_contact=draw(SHOWN),
        matter_code=draw(MATTERS),
        matter_name=draw(SHOWN),
        purpose=draw(SHOWN),
        handling_means=draw(SHOWN),
        items=draw(requested()),
        retention=draw(SPANS),
        max_uses=draw(USES),
        period=draw(LASTING),
        legal_basis=basis,
        statutory_duty=draw(DUTIES) if statutory else None,
        holder_untold=statutory and draw(st.booleans()),
        requested_at=draw(MOMENTS),
        scene_class=draw(st.sampled_from(SceneClass)),
    )


@st.composite
def consent_records(draw: st.DrawFn) -> ConsentRecord:
    decision = draw(st.sampled_from([AuthorizationState.GRANTED, AuthorizationState.DENIED]))
    text = "\n".join(draw(st.lists(SHOWN, min_size=1, max_size=4)))
    return ConsentRecord(
        authorization_id=draw(made("au")),
        home_node=draw(NODE_IDS),
        account_id=AccountId(draw(IDS)),
        decider_account_id=AccountId(draw(IDS)),
        mandate_id=draw(IDS | st.just("")),
        relation_id=draw(IDS | st.just("")),
        request_digest=draw(DIGESTS),
        relying_party_name=draw(SHOWN),
        relying_party_uscc=draw(IDS),
        matter_code=draw(MATTERS),
        purpose=draw(SHOWN),
        items=draw(decided()),
        decision=decision,
        notice_version=draw(IDS),
        notice_text=text,
        notice_hash=sm3(text.encode()),
        decided_at=draw(MOMENTS),
        holder=draw(SIGNED),
        step_up=draw(st.none() | STEP_UPS),
        subject_kind=draw(st.sampled_from(SubjectKind)),
        max_uses=draw(USES),
        ends_at=draw(MOMENTS) if decision is AuthorizationState.GRANTED else None,
    )


@st.composite
def grants(draw: st.DrawFn) -> Grant:
    basis = draw(st.sampled_from(LegalBasis))
    return Grant(
        authorization_id=draw(made("au")),
        home_node=draw(NODE_IDS),
        visited_node=draw(NODE_IDS),
        app_id=draw(NAMES),
        relying_party_uscc=draw(IDS),
        matter_code=draw(MATTERS),
        items=draw(decided(granted=True)),
        max_uses=draw(USES),
        starts_at=draw(MOMENTS),
        ends_at=draw(MOMENTS),
        legal_basis=basis,
        consent_digest=draw(DIGESTS) if basis is LegalBasis.CONSENT else b"",
    )


@st.composite
def withdrawals(draw: st.DrawFn) -> Withdrawal:
    reason = draw(st.sampled_from(WithdrawalReason))
    return Withdrawal(
        authorization_id=draw(made("au")),
        home_node=draw(NODE_IDS),
        withdrawn_at=draw(MOMENTS),
        holder=draw(SIGNED) if reason is WithdrawalReason.HOLDER else None,
        reason=reason,
    )


@st.composite
def questions(draw: st.DrawFn, kind: QuestionKind | None = None) -> AuthorizationQuestion:
    kind = kind or draw(st.sampled_from(QuestionKind))
    scene, report = kind is QuestionKind.SCENE, kind is QuestionKind.REPORT_USE
    return AuthorizationQuestion(
        kind=kind,
        from_node=draw(NODE_IDS),
        to_node=draw(NODE_IDS),
        authorization_id="" if scene else draw(made("au")),
        app_id="" if scene else draw(NAMES),
        code_text=draw(IDS) if scene else "",
        biz_serial=draw(IDS) if scene or report else "",
        licence_system=draw(IDS) if report or kind is QuestionKind.INTROSPECT else "",
        item_no=draw(st.integers(1, 16)) if report else 0,
        use_state=draw(st.sampled_from(UseState)) if report else None,
        asked_at=draw(MOMENTS),
    )


ANSWERS = st.builds(
    AuthorizationAnswer,
    request_digest=DIGESTS,
    authorization_id=made("au"),
    home_node=NODE_IDS,
    state=st.sampled_from(AuthorizationState),
    decide_before=MOMENTS,
    decided_at=st.none() | MOMENTS,
    grant=st.binary(max_size=100),
    remaining_uses=st.dictionaries(st.integers(1, 16), st.integers(0, 2**32 - 1), max_size=4),
    use_id=st.just("") | made("us"),
    active=st.booleans(),
)


@st.composite
def use_requests(draw: st.DrawFn, *, counted: bool | None = None) -> LicenseUseRequest:
    from_home = draw(st.booleans()) if counted is None else counted
    (item,) = draw(decided(granted=True, most=1))
    return LicenseUseRequest(
        authorization_id=draw(made("au")),
        use_id=draw(made("us")) if from_home else "",
        from_node=draw(NODE_IDS),
        to_node=draw(NODE_IDS),
        app_id=draw(NAMES),
        biz_serial=draw(IDS),
        matter_code=draw(MATTERS),
        item_no=item.item_no,
        recipient_key=draw(POINTS),
        item=item if from_home else None,
        sealed_locator=draw(st.binary(max_size=60)) if from_home else b"",
        requested_at=draw(MOMENTS),
        mark=draw(SHOWN) if from_home else "",
        from_chunk=draw(st.integers(0, 256)),
        case_locator=b"" if from_home else draw(st.binary(max_size=60)),
    )


@st.composite
def deliveries(draw: st.DrawFn) -> LicenseDelivery:
    document = draw(st.booleans())
    return LicenseDelivery(
        use_id=draw(made("us")),
        authorization_id=draw(made("au")),
        license_node=draw(NODE_IDS),
        request_digest=draw(DIGESTS),
        field_names=tuple(draw(st.lists(FIELD_NAMES, max_size=4))),
        document=document,
        chunks_digest=draw(DIGESTS) if document else b"",
        chunk_count=draw(st.integers(1, 256)) if document else 0,
        status=draw(st.sampled_from(LicenseStatus)),
        fetched_at=draw(MOMENTS),
        license_ref=draw(st.binary(min_size=16, max_size=16)),
    )
