"""Tests of an application of one's own, without node, network and certificates. Run it as it is, or by pytest."""

from govcode_client import Client, ClientError, NodeSilentError, accepted
from govcode_client.testing import FakeNode


class Gate:
    """The application that is tested: a gate that opens for good codes, once for each passage."""

    def __init__(self, client: Client) -> None:
        """It asks a node."""
        self._client = client
        self.unanswered = ""

    def passes(self, code_text: str) -> bool:
        """It tells whether to open; a question that was not answered is asked again by the next call."""
        try:
            answer = self._client.codes.scan(
                code_text=code_text, scene_no=1, biz_serial=self.unanswered or None, timeout=0.3
            )
        except NodeSilentError as error:
            self.unanswered = error.biz_serial
            return False
        except ClientError:
            return False
        self.unanswered = ""
        return accepted(answer)


def test_a_one_time_code_passes_once() -> None:
    """The node consumes it."""
    with FakeNode() as node:
        gate, code = Gate(node.client()), node.present(node.person("张样例"), one_time=True)
        assert gate.passes(code)
        assert not gate.passes(code)


def test_nobody_passes_while_the_node_refuses() -> None:
    """A refusal is no verdict."""
    with FakeNode() as node:
        gate, code = Gate(node.client()), node.present(node.person("张样例"))
        node.refuse_next("STORE_UNAVAILABLE", retry_after=60)
        assert not gate.passes(code)
        assert gate.passes(code)


def test_a_lost_answer_is_asked_for_again_under_its_serial() -> None:
    """The one-time code was consumed by the lost answer, and the holder still gets in."""
    with FakeNode() as node:
        gate, code = Gate(node.client()), node.present(node.person("张样例"), one_time=True)
        node.stay_silent_next(0.5)
        assert not gate.passes(code)
        while gate.unanswered:
            passed = gate.passes(code)
        assert passed
        assert len({call.request.biz_serial for call in node.calls}) == 1


if __name__ == "__main__":
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            test()
            print("ok", name)
