"""Every act has a serial (业务流水号): the same request again gets the same answer, another one a conflict (N-51)."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import TypeVar

from govcode_node.domain.callers import Call
from govcode_node.domain.errors import SerialConflictError
from govcode_node.ports.security import AnswerCodec, DataKeys
from govcode_node.ports.stores import Act, Transaction
from govcode_node.usecases.serial_gate import SerialGate

A = TypeVar("A")


class ActMemory:
    """It remembers what was answered to which serial, sealed, since an answer may hold a code or a token."""

    def __init__(self, *, keys: DataKeys, answers: AnswerCodec) -> None:
        """It works with the node's keys and a codec for answers."""
        self._keys = keys
        self._answers = answers
        self._gate = SerialGate()

    def alone(self, call: Call, biz_serial: str) -> AbstractAsyncContextManager[None]:
        """It is what an act is done inside of, so that an equal call at once waits for its answer."""
        return self._gate.passing((call.method, caller_key(call), biz_serial))

    def recall(self, tx: Transaction, call: Call, *, biz_serial: str, kind: type[A]) -> A | None:
        """It returns what was answered to this serial; None where the serial is new.

        Raises:
            SerialConflictError: The serial was used for another request.
        """
        act = tx.acts.find(caller=caller_key(call), method=call.method, biz_serial=biz_serial)
        if act is None:
            return None
        if act.request_digest != call.request_digest:
            raise SerialConflictError(biz_serial)
        return self._answers.load(kind, self._keys.open_record(act.answer, _aad(call, biz_serial)))

    def remember(self, tx: Transaction, call: Call, *, biz_serial: str, answer: object, now: datetime) -> None:
        """It keeps the answer to a serial."""
        tx.acts.add(
            Act(
                caller=caller_key(call),
                method=call.method,
                biz_serial=biz_serial,
                request_digest=call.request_digest,
                answer=self._keys.seal_record(self._answers.dump(answer), _aad(call, biz_serial)),
                acted_at=now,
            )
        )

    def once(
        self, tx: Transaction, call: Call, *, biz_serial: str, kind: type[A], now: datetime, make: Callable[[], A]
    ) -> tuple[A, bool]:
        """It returns the answer to a serial, made now or remembered, and whether it was remembered.

        Raises:
            SerialConflictError: The serial was used for another request.
        """
        remembered = self.recall(tx, call, biz_serial=biz_serial, kind=kind)
        if remembered is not None:
            return remembered, True
        answer = make()
        self.remember(tx, call, biz_serial=biz_serial, answer=answer, now=now)
        return answer, False


def caller_key(call: Call) -> str:
    """It names a caller in what is kept for it: class and name, for names of two classes may be equal."""
    return f"{call.caller.caller_class.value}:{call.caller.name}"


def _aad(call: Call, biz_serial: str) -> bytes:
    return f"{caller_key(call)}|{call.method}|{biz_serial}".encode()
