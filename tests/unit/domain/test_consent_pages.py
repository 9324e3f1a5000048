"""The page says what the law wants said, follows from the request alone, and its hash from its text (6.3-03, -06)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from govcode_node.domain.authorizations import AuthorizationEntry, ConsentRequest, RequestedItem
from govcode_node.domain.catalogue import AskedItem, LicenseType, LicenseTypeField
from govcode_node.domain.codes import SubjectKind
from govcode_node.domain.consent_pages import NOTICE_VERSION, consent_page
from govcode_node.domain.digests import sm3
from govcode_node.domain.scenes import SceneClass

TYPES = {
    "birth": LicenseType(
        license_type="birth",
        version=1,
        name="出生医学证明",
        fields=(
            LicenseTypeField(name="name", label="姓名"),
            LicenseTypeField(name="mother", label="母亲姓名", sensitive=True),
        ),
        subject_kinds=frozenset({SubjectKind.PERSON}),
    ),
    "marriage": LicenseType(
        license_type="marriage", version=1, name="结婚证", fields=(), subject_kinds=frozenset({SubjectKind.PERSON})
    ),
}
REQUEST = ConsentRequest(
    authorization_id="au_1",
    visited_node="110000",
    home_node="420100",
    entry=AuthorizationEntry.RELYING_PARTY_SCANNED,
    app_id="counter-app",
    biz_serial="ask-1",
    scan_biz_serial="scan-1",
    relying_party_name="政务服务中心",
    relying_party_uscc="91420100MA9TEXT198",
    relying_party_contact="027-00000000",
    matter_code="M-0001",
    matter_name="新生儿落户",
    purpose="核验出生信息",
    handling_means="核验后不留存",
    items=(
        RequestedItem(item_no=1, asked=AskedItem(license_type="birth", field_names=("name", "mother"))),
        RequestedItem(item_no=2, asked=AskedItem(license_type="marriage", document=True)),
    ),
    retention=timedelta(days=7),
    max_uses=3,
    period=timedelta(hours=36),
    requested_at=datetime(2026, 12, 1, 8, 0, tzinfo=UTC),
    scene_class=SceneClass.COUNTER,
)


@pytest.mark.req("6.3-03")
def test_the_page_names_recipient_purpose_kinds_times_and_how_to_withdraw() -> None:
    lines = consent_page(REQUEST, TYPES).text.splitlines()

    assert lines[0] == "接收方：政务服务中心（统一社会信用代码 91420100MA9TEXT198）"
    assert lines[1:5] == [
        "联系方式：027-00000000",
        "办理事项：新生儿落户（M-0001）",
        "处理目的：核验出生信息",
        "处理方式：核验后不留存",
    ]
    assert lines[6:8] == ["  1. 出生医学证明：姓名、母亲姓名【敏感个人信息，需单独确认】", "  2. 结婚证：证照文件"]
    assert "每项不超过 3 次，自同意起 36 小时内有效" in lines[8]
    assert lines[9] == "保存期限：7 天"
    assert lines[10].startswith("撤回方式：")
    assert lines[11].startswith("拒绝的后果：")


@pytest.mark.req("6.3-06")
def test_the_hash_is_that_of_the_text_and_the_page_can_be_made_again() -> None:
    page = consent_page(REQUEST, TYPES)

    assert page.text_hash == sm3(page.text.encode())
    assert page.version == NOTICE_VERSION
    assert consent_page(REQUEST, TYPES) == page


@pytest.mark.req("6.3-06", "6.3-20")
@pytest.mark.parametrize(
    "changes",
    [
        {"relying_party_name": "另一单位"},
        {"relying_party_uscc": "91310000MA9TEXT273"},
        {"relying_party_contact": "1"},
        {"matter_code": "M-0002"},
        {"matter_name": "另一事项"},
        {"purpose": "另一目的"},
        {"handling_means": "另一方式"},
        {"items": REQUEST.items[:1]},
        {"retention": timedelta(days=8)},
        {"retention": timedelta()},
        {"max_uses": 4},
        {"period": timedelta(minutes=5)},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_whatever_the_holder_consents_to_changes_the_hash(changes: dict[str, Any]) -> None:
    assert consent_page(replace(REQUEST, **changes), TYPES).text_hash != consent_page(REQUEST, TYPES).text_hash


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(days=2), "2 天"),
        (timedelta(hours=36), "36 小时"),
        (timedelta(minutes=90), "90 分钟"),
        (timedelta(seconds=90), "90 秒"),
    ],
)
def test_times_are_said_in_the_greatest_whole_unit(span: timedelta, words: str) -> None:
    assert f"保存期限：{words}" in consent_page(replace(REQUEST, retention=span), TYPES).text


def test_what_is_not_kept_is_said_to_be_not_kept() -> None:
    assert "保存期限：使用后不保存" in consent_page(replace(REQUEST, retention=timedelta()), TYPES).text
