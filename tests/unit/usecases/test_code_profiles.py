"""How a code is sealed: as the caller wishes, else as the scene says."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from govcode_node.domain.accounts import Account, AccountId, AccountState
from govcode_node.domain.codes import CodeProfile, SubjectKind, TerminalType
from govcode_node.domain.home_rules import IssueRules
from govcode_node.domain.issued_codes import CodeWish
from govcode_node.domain.scenes import Scene, SceneClass
from govcode_node.usecases.issuing import CodeIssuer

NOW = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)
MAC, SIGNED = CodeProfile.MAC, CodeProfile.SIGNED


@pytest.mark.parametrize(
    ("wished", "scenes_own", "expected"),
    [
        (None, MAC, MAC),
        (None, SIGNED, SIGNED),
        (MAC, SIGNED, MAC),
        (SIGNED, MAC, SIGNED),
        (MAC, None, MAC),
        (None, None, MAC),
    ],
)
def test_a_wish_for_a_profile_goes_before_the_scenes(
    wished: CodeProfile | None, scenes_own: CodeProfile | None, expected: CodeProfile
) -> None:
    nothing: Any = None
    issuer = CodeIssuer(node=nothing, rules=IssueRules(), codecs=nothing, sealer=nothing, random_bytes=nothing)
    scene = Scene(
        scene_no=7,
        version=1,
        name="窗口",
        scene_class=SceneClass.COUNTER,
        subject_kinds=frozenset({SubjectKind.PERSON}),
        profile=scenes_own or MAC,
        effective_at=NOW,
    )
    tx: Any = SimpleNamespace(scenes=SimpleNamespace(in_force=lambda scene_no, *, now: scene))
    account = Account(
        account_id=AccountId("ac_1"),
        subject_kind=SubjectKind.PERSON,
        state=AccountState.ACTIVE,
        assurance_level=3,
        terms_version="2026-01",
        device_key_id="k",
        device_public_key=bytes(65),
        opened_at=NOW,
    )
    wish = CodeWish(scene_no=0 if scenes_own is None else 7, terminal_type=TerminalType.APP, profile=wished)
    plan = issuer.plan(tx, account=account, presenter=account.account_id, assurance=3, wish=wish, now=NOW)
    assert plan.profile is expected
