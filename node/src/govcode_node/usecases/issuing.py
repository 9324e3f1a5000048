"""Making one code (制码): from a wish and the rules to a sealed text and a stored row."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from govcode_node.domain.accounts import Account, AccountId
from govcode_node.domain.code_rules import check_terminal_rules, default_carrier
from govcode_node.domain.codecs import CodecSet
from govcode_node.domain.codes import (
    Carrier,
    CodeContent,
    CodeId,
    CodeMode,
    CodeProfile,
    ExtensionField,
    SealAlgorithm,
    TerminalType,
    new_code_id,
)
from govcode_node.domain.errors import GovcodeError
from govcode_node.domain.home_rules import IssueRules, NodeProfile
from govcode_node.domain.identification import AssuranceTooLowError
from govcode_node.domain.issued_codes import CodeWish, IssuedCode, StoredCode
from govcode_node.domain.scenes import GENERAL_SCENE_NO, Scene, SceneNotAllowedError, SceneUnknownError
from govcode_node.ports.security import CodeSealer
from govcode_node.ports.stores import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class CodePlan:
    """A code that is about to be made: the wish with every choice taken.

    Attributes:
        account: The subject.
        presenter: Who presents it: the subject, or somebody on its behalf.
        mode: Dynamic or static.
        profile: How to seal.
        terminal_type: Kind of display.
        scene_no: Scene; 0 for any.
        one_time: Good for one use only.
        carrier: Text form.
        validity: How long it is valid.
        refresh_after: When to refresh; None for a static code.
        extension: Extension fields.
    """

    account: Account
    presenter: AccountId
    mode: CodeMode
    profile: CodeProfile
    terminal_type: TerminalType
    scene_no: int
    one_time: bool
    carrier: Carrier
    validity: timedelta
    refresh_after: timedelta | None
    extension: tuple[ExtensionField, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedContent:
    """A content with its seal."""

    content: CodeContent
    sealed_bytes: bytes
    seal: bytes


class SignatureNeededError(GovcodeError):
    """Inside the issuer: a unit found that the code must be signed, which happens outside of units."""

    def __init__(self, plan: CodePlan) -> None:
        super().__init__("the code must be signed first")
        self.plan = plan


class CodeIssuer:
    """It makes codes under the node's rules."""

    def __init__(
        self,
        *,
        node: NodeProfile,
        rules: IssueRules,
        codecs: CodecSet,
        sealer: CodeSealer,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        """It works for one node with its keys and codecs."""
        self._node = node
        self._rules = rules
        self._codecs = codecs
        self._sealer = sealer
        self._random_bytes = random_bytes

    def plan(
        self, tx: Transaction, *, account: Account, presenter: AccountId, assurance: int, wish: CodeWish, now: datetime
    ) -> CodePlan:
        """It takes every choice that the wish leaves open, by the scene and the node's defaults.

        Raises:
            SceneUnknownError: The scene is not in force.
            SceneNotAllowedError: The scene does not take that kind of subject.
            AssuranceTooLowError: The scene asks for a stronger identity check.
        """
        scene = None
        if wish.scene_no != GENERAL_SCENE_NO:
            scene = tx.scenes.in_force(wish.scene_no, now=now)
            if scene is None:
                raise SceneUnknownError(wish.scene_no)
            if account.subject_kind not in scene.subject_kinds:
                raise SceneNotAllowedError(wish.scene_no)
            if assurance < scene.assurance_level:
                raise AssuranceTooLowError(required=scene.assurance_level, present=assurance)
        one_time = wish.one_time or (scene is not None and scene.one_time and wish.mode is CodeMode.DYNAMIC)
        validity, refresh_after = self._times(wish.mode, one_time=one_time, scene=scene)
        return CodePlan(
            account=account,
            presenter=presenter,
            mode=wish.mode,
            profile=_profile_of(wish, scene),
            terminal_type=wish.terminal_type,
            scene_no=wish.scene_no,
            one_time=one_time,
            carrier=wish.carrier or default_carrier(wish.terminal_type),
            validity=validity,
            refresh_after=refresh_after,
        )

    def _times(self, mode: CodeMode, *, one_time: bool, scene: Scene | None) -> tuple[timedelta, timedelta | None]:
        if mode is CodeMode.STATIC:
            return self._rules.static_validity, None
        default = self._rules.one_time_validity if one_time else self._rules.validity
        validity = (scene.validity if scene is not None else None) or default
        refresh = (scene.refresh_after if scene is not None else None) or self._rules.refresh_after
        return validity, min(refresh, validity / 2)

    def seal_now(self, plan: CodePlan, *, now: datetime) -> SealedContent:
        """It makes the content and seals it by MAC, which takes microseconds and so may happen inside a unit.

        Raises:
            SignatureNeededError: The plan asks for the signed profile.
            TerminalRuleError: The display does not allow that code.
            KeyUnavailableError: There is no key to seal with.
            RandomSourceError: There is no id to be had.
        """
        if plan.profile is CodeProfile.SIGNED:
            raise SignatureNeededError(plan)
        code_id = self._new_id(now)
        static = plan.mode is CodeMode.STATIC
        key_no = self._sealer.active_mac_key_no(static, int.from_bytes(code_id[-2:], "big"))
        content = self._content(plan, code_id=code_id, key_no=key_no, algorithm=SealAlgorithm.SM3_HMAC_128, now=now)
        sealed_bytes = self._codecs.issuing.encode(content)
        return SealedContent(
            content=content, sealed_bytes=sealed_bytes, seal=self._sealer.mac_code(key_no, sealed_bytes, static)
        )

    async def sign(self, plan: CodePlan, *, now: datetime) -> SealedContent:
        """It makes the content and signs it, off the event loop.

        Raises:
            TerminalRuleError: The display does not allow that code.
            KeyUnavailableError: The key does not work.
        """
        key_no = self._sealer.active_seal_key_no()
        content = self._content(
            plan, code_id=self._new_id(now), key_no=key_no, algorithm=SealAlgorithm.SM2_SM3, now=now
        )
        sealed_bytes = self._codecs.issuing.encode(content)
        _, seal = await self._sealer.sign_code(sealed_bytes, key_no=key_no)
        return SealedContent(content=content, sealed_bytes=sealed_bytes, seal=seal)

    def issue(self, tx: Transaction, plan: CodePlan, sealed: SealedContent, *, app_id: str) -> IssuedCode:
        """It keeps the code and returns it with its text."""
        content = sealed.content
        code = StoredCode(
            code_id=content.code_id,
            account_id=plan.account.account_id,
            presenter_account_id=plan.presenter if content.proxy else None,
            subject_kind=content.subject_kind,
            mode=content.mode,
            profile=content.profile,
            terminal_type=content.terminal_type,
            scene_no=content.scene_no,
            one_time=content.one_time,
            key_no=content.key_no,
            issued_at=content.issued_at,
            expires_at=content.expires_at,
            app_id=app_id,
        )
        tx.codes.add(code)
        text = self._text(plan, sealed.sealed_bytes, sealed.seal)
        return IssuedCode(code=code, code_text=text, refresh_after=plan.refresh_after)

    def text_again(self, plan: CodePlan, code: StoredCode) -> str:
        """It makes the text of a dynamic code of the MAC profile again, to the letter, from its row and a like plan.

        Raises:
            UnknownKeyError, KeyStateError: The key that sealed it does not seal any more.
        """
        content = self._content(
            plan,
            code_id=code.code_id,
            key_no=code.key_no,
            algorithm=SealAlgorithm.SM3_HMAC_128,
            now=code.issued_at,
        )
        sealed_bytes = self._codecs.issuing.encode(content)
        return self._text(plan, sealed_bytes, self._sealer.mac_code(code.key_no, sealed_bytes, False))

    def _text(self, plan: CodePlan, sealed_bytes: bytes, seal: bytes) -> str:
        return self._codecs.issuing.assemble(sealed_bytes, seal, plan.carrier, self._rules.guide_host or None)

    def _new_id(self, now: datetime) -> CodeId:
        return new_code_id(int(now.timestamp() * 1000), self._random_bytes)

    def _content(
        self, plan: CodePlan, *, code_id: CodeId, key_no: int, algorithm: SealAlgorithm, now: datetime
    ) -> CodeContent:
        issued_at = now.replace(microsecond=0)
        content = CodeContent(
            profile=plan.profile,
            subject_kind=plan.account.subject_kind,
            mode=plan.mode,
            one_time=plan.one_time,
            proxy=plan.presenter != plan.account.account_id,
            test_environment=self._node.test_environment,
            terminal_type=plan.terminal_type,
            algorithm=algorithm,
            region_code=self._node.region_code,
            issuer_no=self._rules.issuer_no,
            key_no=key_no,
            scene_no=plan.scene_no,
            issued_at=issued_at,
            expires_at=issued_at + timedelta(seconds=int(plan.validity.total_seconds())),
            code_id=code_id,
            extension=plan.extension,
        )
        check_terminal_rules(content, carrier=plan.carrier, refresh_after=plan.refresh_after)
        return content


def _profile_of(wish: CodeWish, scene: Scene | None) -> CodeProfile:
    """It gives the profile wished for, else the scene's. MAC has the number 0, so a wish is asked for by None alone."""
    if wish.profile is not None:
        return wish.profile
    return scene.profile if scene is not None else CodeProfile.MAC
