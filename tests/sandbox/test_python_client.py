"""The Python client reaches every outcome and every error reason of a sandbox, each as its own value or exception."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.json_format import ParseDict
from govcode.authorization.v1.authorization_pb2 import AUTHORIZATION_STATE_DENIED, AUTHORIZATION_STATE_GRANTED
from govcode.common.v1 import verdict_pb2
from govcode_client import Client, NodeBusyError, NodeError, Sandbox, accepted
from govcode_client.testing._refusals import reasons
from govcode_node.rpc.error_texts import ERROR_TEXTS
from kit.sandbox import SandboxCaller

OUTCOMES = {name.removeprefix("OUTCOME_") for name in verdict_pb2.Outcome.DESCRIPTOR.values_by_name} - {"UNSPECIFIED"}
SCAN = "govcode.code.v1.CodeApplicationService/ScanCode"

_serials = itertools.count(1)


class Callers:
    """Clients of a sandbox, made as they are needed."""

    def __init__(self, box: Sandbox) -> None:
        self.box = box
        self._clients: dict[tuple[str, str], Client] = {}

    def client(self, caller: str, at: str) -> Client:
        """The client of a caller."""
        if (caller, at) not in self._clients:
            self._clients[caller, at] = self.box.client(caller, at=at, timeout=5)
        return self._clients[caller, at]

    def play(self, entry: dict[str, Any]) -> Any:
        """It makes the call of an entry: scans as the act, others by the raw method, all through the client."""
        client = self.client(entry["as"], entry["at"])
        request = dict(entry["request"])
        if "biz_serial" in request:
            request["biz_serial"] = request["biz_serial"].replace("{serial}", f"PY-{next(_serials)}")
        # Short of the delays that busy nodes name, so that a wish is not waited for and asked again.
        timeout = entry.get("deadline_ms", 950) / 1000
        if entry["rpc"] == SCAN and not entry.get("metadata"):
            return client.codes.scan(**request, timeout=timeout)
        service, _, name = entry["rpc"].partition("/")
        method = descriptor_pool.Default().FindServiceByName(service).FindMethodByName(name)
        raw = client._channel.unary_unary(
            f"/{entry['rpc']}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=message_factory.GetMessageClass(method.output_type).FromString,
        )
        message = ParseDict(request, message_factory.GetMessageClass(method.input_type)())
        return raw(message, timeout=timeout, metadata=tuple(entry.get("metadata", {}).items()))

    def close(self) -> None:
        """It closes all clients."""
        for client in self._clients.values():
            client.close()


@pytest.fixture(scope="module")
def callers(sandbox: SandboxCaller) -> Iterator[Callers]:
    """Clients of the sandbox."""
    made = Callers(Sandbox.load(sandbox.path))
    yield made
    made.close()


def refusal_of(callers: Callers, entry: dict[str, Any]) -> NodeError:
    """The exception of a call that must fail."""
    try:
        answer = callers.play(entry)
    except NodeError as error:
        return error
    pytest.fail(f"{entry} was answered: {answer}")


@pytest.mark.req("N-54")
def test_every_outcome_is_reached_by_the_client_and_one_alone_is_accepted(callers: Callers) -> None:
    reached: dict[str, bool] = {}
    for entry in callers.box.facts["magic"]["outcomes"]:
        answer = callers.play(entry)
        reached[verdict_pb2.Outcome.Name(answer.verdict.outcome).removeprefix("OUTCOME_")] = accepted(answer)
    assert reached.keys() == OUTCOMES
    assert {outcome for outcome, let_in in reached.items() if let_in} == {"VALID"}


@pytest.mark.req("N-54", "N-55")
def test_every_error_reason_is_reached_by_the_client_with_its_advice(callers: Callers) -> None:
    reached = set()
    for entry in callers.box.facts["magic"]["reasons"]:
        error = refusal_of(callers, entry)
        assert (error.reason, error.code) == (entry["reason"], entry["status"])
        assert (error.advice, error.advice_zh) == (ERROR_TEXTS[error.reason].en, ERROR_TEXTS[error.reason].zh)
        assert error.request_id
        if error.code == "UNAVAILABLE":
            assert isinstance(error, NodeBusyError)
            assert error.retry_after is not None
        reached.add(error.reason)
    assert reached == reasons()


@pytest.mark.parametrize(
    ("who", "state"), [("approver", AUTHORIZATION_STATE_GRANTED), ("denier", AUTHORIZATION_STATE_DENIED)]
)
def test_a_counter_alone_plays_the_licence_with_holders_that_answer_by_themselves(
    callers: Callers, who: str, state: int
) -> None:
    box, counter = callers.box, callers.client("counter_app", "home")
    matter = box.matter("residence")
    text = box.facts["placed_codes"][who]
    scanned = counter.codes.scan(code_text=text, scene_no=box.scenes["counter"])
    asked = counter.authorizations.request(
        scan_id=scanned.answer.scan_id,
        matter_code=matter.matter_code,
        items=matter.items,
        documents=matter.documents,
        purpose="核验申请人资格",
        handling_means="核验后不留存",
    ).authorization
    answer = counter.authorizations.wait(authorization_id=asked.authorization_id, within=30)
    assert answer.authorization.state == state
    if state == AUTHORIZATION_STATE_GRANTED:
        licence = counter.authorizations.fetch_license(
            authorization_id=asked.authorization_id,
            item_no=1,
            matter_code=matter.matter_code,
            key=box.encryption_key,
        )
        assert licence.fields.keys() == set(matter.items["household-register"])
        assert licence.document is not None
        assert licence.document.startswith(b"PK")
