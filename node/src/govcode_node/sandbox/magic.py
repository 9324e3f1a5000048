"""Magic: what a sandbox does on a caller's wish. It stands around the parts of a node and is no part of one.

A serial `sandbox:<REASON>`, or the metadata `govcode-sandbox: <REASON>` for calls without a serial, makes a call fail
with that reason, after the caller was let in. A magic scene gives a good code the outcome that the scene is for. Peers
that are away answer nobody.
"""

import inspect
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import datetime
from functools import wraps
from typing import Any, Final, TypeVar

from govcode_node.around import Around
from govcode_node.domain.callers import Call
from govcode_node.domain.codes import ParsedCode
from govcode_node.domain.errors import InvalidFieldError
from govcode_node.domain.outcomes import Outcome
from govcode_node.domain.recognition import HomeNodeUnreachableError
from govcode_node.domain.scans import ScanAct
from govcode_node.ports.federation import Peers
from govcode_node.ports.stores import Transaction
from govcode_node.sandbox.errors import SAMPLES
from govcode_node.sandbox.plan import MAGIC_SCENES
from govcode_node.usecases.judgement import CodeJudge, Finding, SceneCheck
from govcode_node.usecases.reading_parties import ReadingParty
from govcode_node.usecases.remote_judgement import RemoteFinding, RemoteJudge

MAGIC_PREFIX: Final = "sandbox:"
MAGIC_METADATA: Final = "govcode-sandbox"

S = TypeVar("S")


class Magic:
    """It makes what is put around the nodes of one sandbox.

    Attributes:
        away: Nodes that answer nobody any more.
    """

    def __init__(self) -> None:
        """Nobody is away yet."""
        self.away: set[str] = set()

    def around(self) -> Around:
        """It gives what is put around each node."""
        return Around(
            judge=MagicJudge,
            remote=MagicRemoteJudge,
            peers=lambda peers: _SelectivePeers(peers, self.away),
            servicer=_with_magic_errors,
        )


class MagicJudge(CodeJudge):
    """It judges as the node's own judge does, and gives a good code the outcome of a magic scene."""

    def __init__(self, inner: CodeJudge) -> None:
        """It stands before the node's own judge."""
        self._inner = inner

    async def check_seal(self, parsed: ParsedCode) -> Outcome | None:
        """It checks environment and seal."""
        return await self._inner.check_seal(parsed)

    def decide(
        self, tx: Transaction, parsed: ParsedCode, *, act: ScanAct, scene: SceneCheck, scan_id: str, now: datetime
    ) -> Finding:
        """It judges; a magic scene changes a good code's outcome and nothing else, so no use is counted there."""
        outcome = MAGIC_SCENES.get(scene.scene_no) if scene.scene_no is not None else None
        if outcome is None:
            return self._inner.decide(tx, parsed, act=act, scene=scene, scan_id=scan_id, now=now)
        found = self._inner.decide(tx, parsed, act=ScanAct.VERIFY, scene=scene, scan_id=scan_id, now=now)
        return Finding(outcome=outcome, code=found.code, account=found.account) if found.is_valid else found


class MagicRemoteJudge(RemoteJudge):
    """The same for other nodes' codes; the home is not asked in a magic scene."""

    def __init__(self, inner: RemoteJudge) -> None:
        """It stands before the node's own judge."""
        self._inner = inner

    async def judge(
        self,
        call: Call,
        *,
        parsed: ParsedCode,
        text: str,
        act: ScanAct,
        biz_serial: str,
        place: str,
        party: ReadingParty,
        now: datetime,
    ) -> RemoteFinding:
        """It judges, or gives the outcome of the magic scene as this node's own finding."""
        outcome = MAGIC_SCENES.get(party.scene.scene_no)
        if outcome is not None:
            return RemoteFinding(outcome=outcome, decided_by=str(parsed.content.region_code))
        return await self._inner.judge(
            call, parsed=parsed, text=text, act=act, biz_serial=biz_serial, place=place, party=party, now=now
        )


class _SelectivePeers:
    """Channels to other nodes, of which some do not answer."""

    def __init__(self, inner: Peers, away: set[str]) -> None:
        self._inner = inner
        self._away = away

    def __getattr__(self, name: str) -> Any:
        """It passes every other call on, unless the node that it is for is away."""
        method = getattr(self._inner, name)
        if not callable(method):
            return method

        @wraps(method)
        def call(node_id: object = None, *args: Any, **kwargs: Any) -> Any:
            if node_id in self._away:
                raise HomeNodeUnreachableError(str(node_id))
            return method(node_id, *args, **kwargs)

        return call

    async def recognize(self, node_id: str, *, request: bytes, hops: tuple[str, ...], call: Call) -> bytes:
        """It asks a node about a code, unless that node is away."""
        if node_id in self._away:
            raise HomeNodeUnreachableError(node_id)
        return await self._inner.recognize(node_id, request=request, hops=hops, call=call)

    async def revocation_list(self, node_id: str) -> bytes:
        """It fetches a node's list, of nodes that are away too: it was here before they went."""
        return await self._inner.revocation_list(node_id)


def _with_magic_errors(servicer: S) -> S:
    """It puts the magic of serials and metadata before each method of a servicer."""
    for name, method in inspect.getmembers(servicer, callable):
        if name[:1].isupper():
            setattr(servicer, name, _checked(method))
    return servicer


def _checked(method: Callable[..., Any]) -> Callable[..., Any]:
    if inspect.isasyncgenfunction(method):

        @wraps(method)
        async def stream(request: Any, context: Any) -> AsyncIterator[Any]:
            raise_magic(request, context.invocation_metadata())
            async for answer in method(request, context):
                yield answer

        return stream

    @wraps(method)
    async def unary(request: Any, context: Any) -> Any:
        raise_magic(request, context.invocation_metadata())
        return await method(request, context)

    return unary


def raise_magic(request: object, metadata: Iterable[tuple[str, str | bytes]] | None) -> None:
    """It raises the error that the caller wishes for, if it does.

    Raises:
        Exception: The error of that reason; InvalidFieldError where there is no such reason.
    """
    serial = getattr(request, "biz_serial", "")
    wish = serial.removeprefix(MAGIC_PREFIX) if serial.startswith(MAGIC_PREFIX) else ""
    for name, value in metadata or ():
        if name == MAGIC_METADATA and isinstance(value, str):
            wish = value
    if not wish:
        return
    # What follows a second colon makes serials different and says nothing.
    sample = SAMPLES.get(wish.partition(":")[0])
    if sample is None:
        raise InvalidFieldError("biz_serial", "names no reason of the contract")
    raise sample()
