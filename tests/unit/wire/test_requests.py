"""What callers ask is read strictly: the good request whole, the bad field by name."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from govcode.business.v1 import registry_pb2 as registryv1
from govcode.code.v1 import code_application_service_pb2 as applicationv1
from govcode.code.v1 import code_base_service_pb2 as basev1
from govcode.code.v1 import service_code_pb2 as codev1
from govcode.common.v1 import holder_pb2 as holderv1
from govcode.common.v1 import scene_pb2 as scenev1
from govcode.common.v1 import subject_pb2 as subjectv1
from govcode.federation.v1 import federation_service_pb2 as federationv1
from govcode.hub.v1 import hub_service_pb2 as hubv1
from govcode.security.v1 import audit_service_pb2 as auditv1
from govcode_node.domain.accounts import AccountId, HolderProofInvalidError, Relation, RelationKind
from govcode_node.domain.codes import (
    Carrier,
    CodeMode,
    CodeProfile,
    ErrorLevel,
    ExtensionField,
    ExtensionTooLongError,
    SubjectKind,
    Symbology,
    TerminalType,
)
from govcode_node.domain.disclosure import FieldName, FieldRule
from govcode_node.domain.errors import CursorInvalidError, InvalidFieldError
from govcode_node.domain.issued_codes import CodeWish
from govcode_node.domain.parties import Application, ApplicationKind, RegistrationState, RelyingParty, Scanner
from govcode_node.domain.scans import ScanAct
from govcode_node.domain.scenes import Scene, SceneClass, SceneRuleOutOfBoundsError
from govcode_node.ports.security import HolderProof
from govcode_node.ports.symbols import ImageFormat
from govcode_node.usecases.audit_reading import AuditFilter
from govcode_node.usecases.code_lifecycle import CodeCommand
from govcode_node.usecases.making import ApplyCommand, MakeCommand
from govcode_node.usecases.presentation import PresentCommand
from govcode_node.usecases.scanning import ScanCommand
from govcode_node.wire import code_requests
from govcode_node.wire.accounts import identified_command_from_proto, identified_kind_from_proto
from govcode_node.wire.audit import audit_filter_from_proto
from govcode_node.wire.codes import extension_from_proto, extension_to_proto
from govcode_node.wire.events import event_wait_from_proto
from govcode_node.wire.recognition import recognition_from_proto
from govcode_node.wire.registry import (
    application_from_proto,
    application_to_proto,
    placed_subject_from_proto,
    placed_subject_to_proto,
    relation_from_proto,
    relation_to_proto,
    relying_party_from_proto,
    relying_party_to_proto,
    scanner_from_proto,
    scanner_to_proto,
    scene_from_proto,
    scene_to_proto,
)
from govcode_node.wire.registry_pages import page_of, requested_page, scene_number
from govcode_node.wire.scans import (
    consent_from_proto,
    field_names_from_proto,
    record_start_from_proto,
    scan_command_from_proto,
    verify_command_from_proto,
)
from govcode_node.wire.status import report_from_proto
from govcode_node.wire.trust import registration_evidence_from_proto
from hypothesis import given
from hypothesis import strategies as st
from kit.texts import shown_texts

NOW = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)
TOKEN = "0f" * 16

PRESENT = applicationv1.PresentCodeRequest(
    biz_serial="S-1", session_token=TOKEN, terminal_type=codev1.TERMINAL_TYPE_APP
)
SCAN = applicationv1.ScanCodeRequest(biz_serial="S-1", code_text="ZWM1:X", scene_no=7, place="3 号窗口")
APPLY = basev1.ApplyCodeRequest(
    biz_serial="S-1", session_token=TOKEN, terminal_type=codev1.TERMINAL_TYPE_PRINTED, code_mode=codev1.CODE_MODE_STATIC
)
MAKE = basev1.MakeCodeRequest(biz_serial="S-1", ticket=TOKEN)
REVOKE = basev1.RevokeCodeRequest(biz_serial="S-1", code_id=bytes(16), reason="lost")
OPEN = applicationv1.OpenAccountRequest(
    biz_serial="S-1",
    identification=holderv1.Identification(identification_id="id-1", provider_blob=b"blob"),
    proof=holderv1.HolderProof(statement=b"s", device_key_id="k", sm2_signature=b"x"),
)


def changed(request: Message, **fields: object) -> Message:
    copy = type(request)()
    copy.CopyFrom(request)
    for name, value in fields.items():
        copy.ClearField(name)
        if value is not None:
            setattr(copy, name, value)
    return copy


def test_a_wish_for_a_code_is_read_whole() -> None:
    request = applicationv1.PresentCodeRequest(
        biz_serial="S-1",
        session_token=TOKEN,
        scene_no=7,
        terminal_type=codev1.TERMINAL_TYPE_KIOSK,
        carrier=codev1.CARRIER_PRINTED,
        profile=codev1.CODE_PROFILE_SIGNED,
        one_time=True,
        on_behalf_of_account_id="ac_2",
    )
    assert code_requests.present_command_from_proto(request) == PresentCommand(
        biz_serial="S-1",
        session_token=TOKEN,
        wish=CodeWish(
            scene_no=7,
            terminal_type=TerminalType.KIOSK,
            one_time=True,
            carrier=Carrier.PRINTED,
            profile=CodeProfile.SIGNED,
        ),
        on_behalf_of=AccountId("ac_2"),
    )


def test_what_a_wish_leaves_open_stays_open() -> None:
    command = code_requests.present_command_from_proto(PRESENT)
    assert command.wish == CodeWish(terminal_type=TerminalType.APP)
    assert command.on_behalf_of is None


def test_scans_and_verifications_are_told_apart() -> None:
    assert scan_command_from_proto(SCAN) == ScanCommand(
        act=ScanAct.SCAN, biz_serial="S-1", code_text="ZWM1:X", scene_no=7, place="3 号窗口"
    )
    verify = basev1.VerifyCodeRequest(biz_serial="S-1", code_text="ZWM1:X", scene_no=7)
    assert verify_command_from_proto(verify).act is ScanAct.VERIFY


@pytest.mark.parametrize(
    ("read", "request_", "field"),
    [
        (code_requests.present_command_from_proto, changed(PRESENT, biz_serial=None), "biz_serial"),
        (code_requests.present_command_from_proto, changed(PRESENT, session_token=None), "session_token"),
        (code_requests.present_command_from_proto, changed(PRESENT, session_token="x" * 65), "session_token"),
        (code_requests.present_command_from_proto, changed(PRESENT, terminal_type=None), "terminal_type"),
        (code_requests.present_command_from_proto, changed(PRESENT, terminal_type=99), "terminal_type"),
        (code_requests.present_command_from_proto, changed(PRESENT, carrier=99), "carrier"),
        (code_requests.present_command_from_proto, changed(PRESENT, profile=99), "profile"),
        (code_requests.present_command_from_proto, changed(PRESENT, scene_no=65_536), "scene_no"),
        (
            code_requests.present_command_from_proto,
            changed(PRESENT, on_behalf_of_account_id="x" * 65),
            "on_behalf_of_account_id",
        ),
        (scan_command_from_proto, changed(SCAN, code_text=None), "code_text"),
        (scan_command_from_proto, changed(SCAN, code_text="x" * 1025), "code_text"),
        (scan_command_from_proto, changed(SCAN, scene_no=None), "scene_no"),
        (scan_command_from_proto, changed(SCAN, place="口" * 65), "place"),
        (scan_command_from_proto, changed(SCAN, biz_serial="序"), "biz_serial"),
        (code_requests.make_command_from_proto, changed(MAKE, ticket=None), "ticket"),
        (code_requests.code_command_from_proto, changed(REVOKE, code_id=bytes(15)), "code_id"),
        (code_requests.code_command_from_proto, changed(REVOKE, reason=None), "reason"),
        (code_requests.code_command_from_proto, changed(REVOKE, reason="x" * 201), "reason"),
        (code_requests.symbology_from_proto, basev1.RenderCodeRequest(symbology=99), "symbology"),
        (code_requests.drawing_level_from_proto, basev1.RenderCodeRequest(error_level="X"), "error_level"),
        (code_requests.image_format_from_proto, basev1.RenderCodeRequest(format=99), "format"),
        (code_requests.scale_from_proto, basev1.RenderCodeRequest(scale=33), "scale"),
        (field_names_from_proto, basev1.ResolveCodeRequest(), "field_names"),
        (field_names_from_proto, basev1.ResolveCodeRequest(field_names=["x"] * 17), "field_names"),
        (
            record_start_from_proto,
            applicationv1.ListRecordsRequest(from_time=Timestamp(seconds=-1)),
            "from_time",
        ),
        (event_wait_from_proto, applicationv1.ListEventsRequest(wait=Duration(seconds=30, nanos=10**6)), "wait"),
        (audit_filter_from_proto, auditv1.ListAuditEventsRequest(to_time=Timestamp(nanos=-1)), "to_time"),
        (audit_filter_from_proto, auditv1.ListAuditEventsRequest(action="A\n"), "action"),
        (recognition_from_proto, federationv1.RecognizeCodeRequest(hops=["310000"]), "request"),
        (registration_evidence_from_proto, hubv1.RegisterNodeRequest(), "registration"),
    ],
)  # fmt: skip
def test_a_bad_field_is_named(read: Callable[[Message], object], request_: Message, field: str) -> None:
    with pytest.raises(InvalidFieldError) as caught:
        read(request_)
    assert caught.value.field == field


@pytest.mark.parametrize("hops", [[], ["x"], ["310000"] * 65])
def test_hops_are_nodes(hops: list[str]) -> None:
    request = federationv1.RecognizeCodeRequest(hops=hops)
    request.request.SetInParent()
    with pytest.raises(InvalidFieldError):
        recognition_from_proto(request)


def test_a_forwarded_question_is_handed_on_byte_for_byte() -> None:
    request = federationv1.RecognizeCodeRequest(hops=["310000", "000000"])
    request.request.payload = b"\x00signed"
    evidence, hops = recognition_from_proto(request)
    assert evidence == request.request.SerializeToString()
    assert hops == ("310000", "000000")


def test_a_holder_asks_for_its_session_and_an_operator_for_an_account() -> None:
    by_holder = code_requests.apply_command_from_proto(APPLY, by_operator=False)
    assert by_holder == ApplyCommand(
        biz_serial="S-1",
        session_token=TOKEN,
        account_id=None,
        wish=CodeWish(mode=CodeMode.STATIC, terminal_type=TerminalType.PRINTED),
    )
    placed = basev1.ApplyCodeRequest(biz_serial="S-1", account_id="ac_9", terminal_type=codev1.TERMINAL_TYPE_PRINTED)
    by_operator = code_requests.apply_command_from_proto(placed, by_operator=True)
    assert (by_operator.account_id, by_operator.session_token) == ("ac_9", "")
    assert by_operator.wish.mode is CodeMode.DYNAMIC


@pytest.mark.parametrize("by_operator", [True, False])
def test_nobody_asks_for_a_ticket_with_what_is_the_others(by_operator: bool) -> None:
    foreign = APPLY if by_operator else basev1.ApplyCodeRequest(
        biz_serial="S-1", account_id="ac_9", terminal_type=codev1.TERMINAL_TYPE_PRINTED
    )  # fmt: skip
    with pytest.raises(InvalidFieldError) as caught:
        code_requests.apply_command_from_proto(foreign, by_operator=by_operator)
    assert caught.value.field == ("account_id" if by_operator else "session_token")


def test_a_ticket_is_redeemed_with_or_without_a_proof() -> None:
    assert code_requests.make_command_from_proto(MAKE) == MakeCommand(
        biz_serial="S-1", ticket=TOKEN, proof=None, carrier=None, profile=None, extension=()
    )
    proved = basev1.MakeCodeRequest(
        biz_serial="S-1",
        ticket=TOKEN,
        proof=OPEN.proof,
        extension=[codev1.ExtensionField(tag=2, value=b"v")],
        carrier=codev1.CARRIER_GUIDE,
        profile=codev1.CODE_PROFILE_MAC,
    )
    command = code_requests.make_command_from_proto(proved)
    assert command.proof == HolderProof(statement=b"s", device_key_id="k", signature=b"x")
    assert command.extension == (ExtensionField(2, b"v"),)
    assert (command.carrier, command.profile) == (Carrier.GUIDE, CodeProfile.MAC)


def test_an_act_on_a_code_is_read_whole() -> None:
    assert code_requests.code_command_from_proto(REVOKE) == CodeCommand(
        biz_serial="S-1", code_id=bytes(16), session_token="", reason="lost"
    )


def test_a_drawing_has_its_defaults() -> None:
    request = basev1.RenderCodeRequest()
    assert code_requests.symbology_from_proto(request) is Symbology.QR
    assert code_requests.drawing_level_from_proto(request) is ErrorLevel.M
    assert code_requests.image_format_from_proto(request) is ImageFormat.PNG
    assert code_requests.scale_from_proto(request) == 8


@given(
    st.lists(
        st.builds(ExtensionField, st.integers(0, 127).map(lambda half: half * 2), st.binary(max_size=30)),
        unique_by=lambda field: field.tag,
        max_size=5,
    ).map(tuple)
)
def test_an_extension_comes_back_in_order(extension: tuple[ExtensionField, ...]) -> None:
    assert extension_from_proto(extension_to_proto(extension)) == extension


@pytest.mark.parametrize("tags", [[1], [256], [2, 2]])
def test_an_extension_that_no_reader_would_take_is_refused(tags: list[int]) -> None:
    with pytest.raises(InvalidFieldError):
        extension_from_proto([codev1.ExtensionField(tag=tag) for tag in tags])


def test_an_extension_field_that_is_too_long_is_said_to_be_so() -> None:
    with pytest.raises(ExtensionTooLongError):
        extension_from_proto([codev1.ExtensionField(tag=2, value=bytes(199))])


def test_an_identified_act_is_read_whole_and_needs_its_proof() -> None:
    command = identified_command_from_proto(OPEN)
    assert (command.biz_serial, command.identification_id, command.provider_blob) == ("S-1", "id-1", b"blob")
    assert command.proof == HolderProof(statement=b"s", device_key_id="k", signature=b"x")
    with pytest.raises(HolderProofInvalidError):
        identified_command_from_proto(
            applicationv1.OpenSessionRequest(biz_serial="S-1", identification=OPEN.identification)
        )


@pytest.mark.parametrize("value", [0, subjectv1.SUBJECT_KIND_THING, subjectv1.SUBJECT_KIND_MATTER, 99])
def test_only_persons_and_entities_are_identified(value: int) -> None:
    assert identified_kind_from_proto(subjectv1.SUBJECT_KIND_LEGAL_ENTITY) is SubjectKind.LEGAL_ENTITY
    with pytest.raises(InvalidFieldError):
        identified_kind_from_proto(value)


def test_an_audit_filter_is_empty_where_nothing_is_asked() -> None:
    assert audit_filter_from_proto(auditv1.ListAuditEventsRequest()) == AuditFilter()
    full = auditv1.ListAuditEventsRequest(
        from_time=Timestamp(seconds=1), to_time=Timestamp(seconds=2), action="CODE_SCANNED", biz_serial="S-1"
    )
    assert audit_filter_from_proto(full) == AuditFilter(
        start=datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC),
        end=datetime(1970, 1, 1, 0, 0, 2, tzinfo=UTC),
        action="CODE_SCANNED",
        biz_serial="S-1",
    )


def test_reports_of_a_stream_have_growing_numbers_and_a_content() -> None:
    summary = hubv1.ReportNodeStatusRequest(seq=2)
    summary.summary.payload = b"signed"
    assert report_from_proto(summary, after=1) == summary.summary.SerializeToString()
    for bad, after in ((summary, 2), (summary, 5), (hubv1.ReportNodeStatusRequest(seq=1), 0)):
        with pytest.raises(InvalidFieldError):
            report_from_proto(bad, after=after)


# What operators register

NAMES = shown_texts()
SLUGS = st.from_regex(r"[a-z0-9-]{1,64}", fullmatch=True)
ISSUED = st.integers(0, 4_000_000_000_000).map(lambda ms: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms))


@given(
    st.builds(
        RelyingParty,
        relying_party_id=st.just(""),
        name=NAMES,
        uscc=NAMES,
        purpose=NAMES,
        contact=NAMES,
        state=st.just(RegistrationState.APPLIED),
        registered_at=st.just(datetime(1970, 1, 1, tzinfo=UTC)),
    )
)
def test_a_relying_party_comes_back_as_it_was_asked_for(party: RelyingParty) -> None:
    assert relying_party_from_proto(relying_party_to_proto(party)) == party


@given(
    st.builds(
        Application,
        app_id=SLUGS,
        relying_party_id=SLUGS,
        kind=st.sampled_from(ApplicationKind),
        name=NAMES,
        scene_nos=st.lists(st.integers(1, 65_535), unique=True, min_size=1, max_size=5).map(tuple),
        state=st.just(RegistrationState.APPLIED),
        registered_at=st.just(datetime(1970, 1, 1, tzinfo=UTC)),
    )
)
def test_an_application_comes_back_as_it_was_asked_for(application: Application) -> None:
    assert application_from_proto(application_to_proto(application)) == application


@given(
    st.builds(
        Scanner,
        device_id=SLUGS,
        app_id=SLUGS,
        place=NAMES,
        state=st.just(RegistrationState.APPLIED),
        registered_at=st.just(datetime(1970, 1, 1, tzinfo=UTC)),
    )
)
def test_a_scanner_comes_back_as_it_was_asked_for(scanner: Scanner) -> None:
    assert scanner_from_proto(scanner_to_proto(scanner)) == scanner


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    validity = draw(st.none() | st.integers(15_000, 600_000).map(lambda ms: timedelta(milliseconds=ms)))
    refresh_most = int((validity or timedelta(seconds=600)).total_seconds() * 1000) - 1
    refresh = draw(st.none() | st.integers(5_000, refresh_most).map(lambda ms: timedelta(milliseconds=ms)))
    names = draw(st.lists(st.sampled_from(FieldName), unique=True))
    return Scene(
        scene_no=draw(st.integers(1, 65_535)),
        version=0,
        name=draw(NAMES),
        scene_class=draw(st.sampled_from(SceneClass)),
        subject_kinds=frozenset(draw(st.sets(st.sampled_from(SubjectKind), min_size=1))),
        validity=validity,
        refresh_after=refresh,
        profile=draw(st.sampled_from([CodeProfile.MAC, CodeProfile.SIGNED])),
        one_time=draw(st.booleans()),
        offline_allowed=draw(st.booleans()),
        fields=tuple(FieldRule(name, draw(st.booleans())) for name in names),
        assurance_level=draw(st.integers(1, 3)),
        effective_at=draw(ISSUED),
    )


@given(scenes())
def test_a_scene_comes_back_as_it_was_asked_for(scene: Scene) -> None:
    assert scene_from_proto(scene_to_proto(scene), now=NOW) == scene


SCENE = registryv1.Scene(
    scene_no=7,
    name="社保窗口",
    scene_class=scenev1.SCENE_CLASS_COUNTER,
    subject_kinds=[subjectv1.SUBJECT_KIND_PERSON],
)


def test_a_scene_without_a_time_holds_from_now_on() -> None:
    scene = scene_from_proto(SCENE, now=NOW)
    assert (scene.effective_at, scene.profile, scene.assurance_level) == (NOW, CodeProfile.MAC, 1)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"scene_no": 0}, "scene.scene_no"),
        ({"scene_no": 65_536}, "scene.scene_no"),
        ({"name": None}, "scene.name"),
        ({"scene_class": None}, "scene.scene_class"),
        ({"scene_class": 99}, "scene.scene_class"),
        ({"subject_kinds": None}, "scene.subject_kinds"),
        ({"assurance_level": 4}, "scene.assurance_level"),
        ({"profile": 99}, "scene.profile"),
    ],
)
def test_a_bad_rule_of_a_scene_is_named(changes: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidFieldError) as caught:
        scene_from_proto(changed(SCENE, **changes), now=NOW)
    assert caught.value.field == field


def test_a_scene_field_is_known_and_stands_once() -> None:
    for names in (["birthday"], ["name", "name"]):
        scene = changed(SCENE)
        scene.fields.extend(registryv1.SceneField(name=name) for name in names)
        with pytest.raises(InvalidFieldError):
            scene_from_proto(scene, now=NOW)


@pytest.mark.req("7.4-04")
@pytest.mark.parametrize("seconds", [14, 601])
def test_a_scene_outside_its_hard_limits_is_refused(seconds: int) -> None:
    scene = changed(SCENE)
    scene.validity.seconds = seconds
    with pytest.raises(SceneRuleOutOfBoundsError):
        scene_from_proto(scene, now=NOW)


RELATION = Relation(
    relation_id="",
    presenter_account_id=AccountId("ac_1"),
    dependant_account_id=AccountId("ac_2"),
    kind=RelationKind.GUARDIAN,
    proof_reference="户籍核验 2026-000123",
    registered_at=datetime(1970, 1, 1, tzinfo=UTC),
    ends_at=NOW + timedelta(days=1),
)


def test_a_relation_comes_back_as_it_was_asked_for() -> None:
    assert relation_from_proto(relation_to_proto(RELATION), now=NOW) == RELATION


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"dependant_account_id": "ac_1"}, "relation.dependant_account_id"),
        ({"presenter_account_id": None}, "relation.presenter_account_id"),
        ({"kind": None}, "relation.kind"),
        ({"end_time": None}, "relation.end_time"),
        ({"proof_reference": None}, "relation.proof_reference"),
    ],
)
def test_a_bad_field_of_a_relation_is_named(changes: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidFieldError) as caught:
        relation_from_proto(changed(relation_to_proto(RELATION), **changes), now=NOW)
    assert caught.value.field == field


def test_a_relation_that_is_over_already_is_refused() -> None:
    with pytest.raises(InvalidFieldError):
        relation_from_proto(relation_to_proto(RELATION), now=RELATION.ends_at)


def test_only_things_and_matters_are_placed() -> None:
    good = registryv1.PlacedSubject(subject_kind=subjectv1.SUBJECT_KIND_THING, name="黄鹤楼东门")
    read = placed_subject_from_proto(good)
    assert (read.subject_kind, read.name, read.app_id, read.matter_code) == (SubjectKind.THING, "黄鹤楼东门", "", "")
    for bad in (changed(good, subject_kind=subjectv1.SUBJECT_KIND_PERSON), changed(good, name=None)):
        with pytest.raises(InvalidFieldError):
            placed_subject_from_proto(bad)


def test_a_place_that_asks_names_application_and_matter() -> None:
    place = registryv1.PlacedSubject(
        subject_kind=subjectv1.SUBJECT_KIND_MATTER, name="企业开办", app_id="counter-app", matter_code="M-1"
    )
    read = placed_subject_from_proto(place)
    assert (read.app_id, read.matter_code) == ("counter-app", "M-1")
    assert placed_subject_to_proto(read).matter_code == "M-1"
    for one in ("app_id", "matter_code"):
        with pytest.raises(InvalidFieldError) as caught:
            placed_subject_from_proto(changed(place, **{one: None}))
        assert caught.value.field == f"subject.{one}"


def test_fields_come_whole_by_an_authorization_with_a_good_id() -> None:
    assert consent_from_proto(basev1.ResolveCodeRequest()) == ""
    named = "au_" + "0f" * 16
    assert consent_from_proto(basev1.ResolveCodeRequest(authorization_id=named)) == named
    with pytest.raises(InvalidFieldError):
        consent_from_proto(basev1.ResolveCodeRequest(authorization_id="au_1"))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"app_id": "Counter"}, "application.app_id"),
        ({"kind": None}, "application.kind"),
        ({"scene_nos": None}, "application.scene_nos"),
    ],
)
def test_a_bad_field_of_an_application_is_named(changes: dict[str, object], field: str) -> None:
    good = registryv1.Application(
        app_id="counter-app",
        relying_party_id="rp_1",
        kind=registryv1.APPLICATION_KIND_RELYING_PARTY,
        name="窗口系统",
        scene_nos=[1],
    )
    application_from_proto(good)
    with pytest.raises(InvalidFieldError) as caught:
        application_from_proto(changed(good, **changes))
    assert caught.value.field == field


# Pages


@given(st.lists(st.integers(1, 65_535), unique=True, max_size=30).map(sorted), st.integers(1, 7))
def test_pages_show_everything_once_and_in_order(numbers: list[int], size: int) -> None:
    seen: list[int] = []
    token = ""
    while True:
        rows = [number for number in numbers if number > scene_number(token)][: size + 1]
        page, token = page_of(rows, size, key=str)
        seen.extend(page)
        assert len(page) <= size
        if not token:
            break
    assert seen == numbers


@pytest.mark.parametrize("token", ["x", "-1", "999999", "１"])
def test_a_token_that_was_not_made_here_is_refused(token: str) -> None:
    with pytest.raises(CursorInvalidError):
        scene_number(token)


def test_a_page_has_200_entries_by_default_and_1000_at_most() -> None:
    assert requested_page(0, "") == (200, "")
    assert requested_page(1000, "rp_1") == (1000, "rp_1")
    for size in (-1, 1001):
        with pytest.raises(InvalidFieldError):
            requested_page(size, "")
