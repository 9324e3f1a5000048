"""What a test bed may put around parts of a node when it starts one; production leaves every part as it is.

Nothing in a node asks whether somebody stands around it. What a sandbox does to a code, a peer or a call is written in
the sandbox, and reaches the node only as the parts that it hands to `App.start`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from govcode_node.ports.federation import Peers
from govcode_node.rpc.services.registration import Servicer
from govcode_node.usecases.judgement import CodeJudge
from govcode_node.usecases.remote_judgement import RemoteJudge

T = TypeVar("T")


def as_it_is(part: T) -> T:
    """It leaves a part alone."""
    return part


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """One function for each part that may be wrapped: it takes the node's own part and returns what takes its place.

    Attributes:
        judge: Judges the node's own codes.
        remote: Has other nodes' codes judged.
        peers: Channels to other nodes, as the steps use them.
        servicer: Serves one service of the contract; what comes back is of the same class.
    """

    judge: Callable[[CodeJudge], CodeJudge] = as_it_is
    remote: Callable[[RemoteJudge], RemoteJudge] = as_it_is
    peers: Callable[[Peers], Peers] = as_it_is
    servicer: Callable[[Servicer], Servicer] = as_it_is


NOTHING: Final = Around()
"""A node of production."""
