"""Channels to one endpoint: who must answer there is fixed, old certificates and old connections go away in time.

A channel of grpcio keeps the certificate that it was made with, and a connection lives as long as both ends wish; nodes
have been seen on expired certificates for hours. So a channel here is replaced when this node's certificate changes and
when it has reached its age; the old one finishes its calls and is closed.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import grpc
from grpc import aio

from govcode_node.domain.identities import FEDERATION_TRUST_DOMAIN, CallerClass, Identity
from govcode_node.domain.regions import HUB_REGION
from govcode_node.ports.clock import Clock

MAX_ANSWER_BYTES: Final = 16 * 1024 * 1024
"""A trust bundle of 3,200 nodes takes about 2 MiB, a long revocation list more."""

_DRAIN_SECONDS: Final = 15.0
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", MAX_ANSWER_BYTES),
    # Channels of one pool shall not share a connection, nor find one that was made with another certificate.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # A quiet channel is watched too, so that a peer that went away is known before the next citizen waits for it.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.min_reconnect_backoff_ms", 2_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    ("grpc.enable_http_proxy", 0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelIdentity:
    """What this node shows to others, and whom it believes.

    Attributes:
        certificate_pem: Its certificate.
        key_pem: Private key of that.
        federation_ca_pem: The federation's authority, the only root: a region's authority may not vouch for nodes.
    """

    certificate_pem: bytes
    key_pem: bytes = field(repr=False)
    federation_ca_pem: bytes


def server_name_of(node_id: str) -> str:
    """It gives the name that must stand in the certificate of a node, or of the hub.

    Raises:
        MalformedIdentityError: That is no node id.
    """
    caller_class = CallerClass.HUB if node_id == str(HUB_REGION) else CallerClass.NODE
    return Identity(FEDERATION_TRUST_DOMAIN, caller_class, node_id).server_name


class Dialer:
    """It makes channels with the node's present identity; `replace_identity` follows a new certificate."""

    def __init__(self, identity: ChannelIdentity, *, clock: Clock, max_age: float) -> None:
        """It takes the identity.

        Args:
            identity: What the node shows.
            clock: Measures the age of channels.
            max_age: Seconds after which a channel is replaced.
        """
        self.clock = clock
        self.max_age = max_age
        self.generation = 0
        self._identity = identity
        self._draining: set[asyncio.Task[None]] = set()

    def replace_identity(self, identity: ChannelIdentity) -> None:
        """It makes all channels from now on with another identity; existing ones are replaced at their next use."""
        if identity != self._identity:
            self._identity = identity
            self.generation += 1

    def dial(self, endpoint: str, *, server_name: str) -> aio.Channel:
        """It makes a channel, which connects at its first call."""
        credentials = grpc.ssl_channel_credentials(
            root_certificates=self._identity.federation_ca_pem,
            private_key=self._identity.key_pem,
            certificate_chain=self._identity.certificate_pem,
        )
        options = [*_OPTIONS, ("grpc.ssl_target_name_override", server_name)]
        return aio.secure_channel(endpoint, credentials, options=options)

    def retire(self, channel: aio.Channel) -> None:
        """It closes a channel after its calls have ended, and returns at once."""
        task = asyncio.get_running_loop().create_task(channel.close(_DRAIN_SECONDS))
        self._draining.add(task)
        task.add_done_callback(self._draining.discard)

    async def close(self) -> None:
        """It waits until all retired channels are closed."""
        while self._draining:
            await asyncio.wait(self._draining)


@dataclass(slots=True)
class _Line:
    channel: aio.Channel
    made_at: float
    generation: int


class ChannelPool:
    """A few channels to one endpoint, used in turn."""

    def __init__(self, dialer: Dialer, endpoint: str, *, server_name: str, size: int) -> None:
        """It makes no channel yet.

        Args:
            dialer: Makes channels.
            endpoint: `host:port`.
            server_name: Who must answer.
            size: Number of channels.
        """
        self.endpoint = endpoint
        self._dialer = dialer
        self._server_name = server_name
        self._lines: list[_Line | None] = [None] * size
        self._turn = 0
        self._used_at = dialer.clock.monotonic()

    def channel(self) -> aio.Channel:
        """It returns the next channel, replaced where it is too old or was made with another certificate."""
        now = self._dialer.clock.monotonic()
        self._used_at = now
        self._turn = (self._turn + 1) % len(self._lines)
        line = self._lines[self._turn]
        if line is not None and self._outworn(line, now):
            self._dialer.retire(line.channel)
            line = None
        if line is None:
            channel = self._dialer.dial(self.endpoint, server_name=self._server_name)
            line = self._lines[self._turn] = _Line(channel, now, self._dialer.generation)
        return line.channel

    def idle_for(self) -> float:
        """It gives the seconds since a channel was asked for."""
        return self._dialer.clock.monotonic() - self._used_at

    def close(self) -> None:
        """It retires all channels; the pool may be used again."""
        for position, line in enumerate(self._lines):
            if line is not None:
                self._dialer.retire(line.channel)
                self._lines[position] = None

    def _outworn(self, line: _Line, now: float) -> bool:
        return line.generation != self._dialer.generation or now - line.made_at >= self._dialer.max_age


class Endpoints:
    """The endpoints of one node in the order in which to try them: the sound ones first, each kind as registered."""

    def __init__(self, *, pool_of: Callable[[str], ChannelPool], clock: Clock, unsound_for: float) -> None:
        """It begins without endpoints.

        Args:
            pool_of: Makes the pool of an endpoint.
            clock: The clock.
            unsound_for: Seconds for which an endpoint that failed is tried last.
        """
        self._pool_of = pool_of
        self._clock = clock
        self._unsound_for = unsound_for
        self._addresses: tuple[str, ...] = ()
        self._pools: dict[str, ChannelPool] = {}
        self._unsound_until: dict[str, float] = {}

    def replace(self, addresses: tuple[str, ...]) -> None:
        """It takes other addresses; channels to those that are gone drain."""
        if addresses == self._addresses:
            return
        self._addresses = addresses
        for gone in self._pools.keys() - set(addresses):
            self._pools.pop(gone).close()
            self._unsound_until.pop(gone, None)

    def ordered(self) -> list[str]:
        """It gives the addresses, the best first."""
        now = self._clock.monotonic()
        return sorted(self._addresses, key=lambda address: self._unsound_until.get(address, 0.0) > now)

    def channel(self, address: str) -> aio.Channel:
        """It gives a channel to an address."""
        pool = self._pools.get(address)
        if pool is None:
            pool = self._pools[address] = self._pool_of(address)
        return pool.channel()

    def note(self, address: str, *, sound: bool) -> None:
        """It notes how an address did."""
        if sound:
            self._unsound_until.pop(address, None)
        else:
            self._unsound_until[address] = self._clock.monotonic() + self._unsound_for

    def close_idle(self, limit: float) -> None:
        """It closes the channels that nobody has used for some seconds."""
        for pool in self._pools.values():
            if pool.idle_for() >= limit:
                pool.close()

    def close(self) -> None:
        """It retires all channels."""
        for pool in self._pools.values():
            pool.close()
