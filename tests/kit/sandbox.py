"""A caller that knows of a sandbox no more than its credentials file and the contract, as one in any language."""

import itertools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import grpc
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.json_format import ParseDict
from google.rpc import error_details_pb2
from grpc_status import rpc_status

_serials = itertools.count(1)


@dataclass(eq=False)
class RefusedCallError(Exception):
    """A call that failed: what is on the wire of it."""

    code: str
    reason: str
    facts: dict[str, str]
    texts: dict[str, str]
    retry_seconds: float | None

    @classmethod
    def of(cls, error: Any) -> "RefusedCallError":
        """It reads a failed call."""
        status = rpc_status.from_call(error)
        reason, facts, texts, retry = "", {}, {}, None
        for packed in status.details if status is not None else ():
            if packed.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
                info = error_details_pb2.ErrorInfo.FromString(packed.value)
                reason, facts = info.reason, dict(info.metadata)
            elif packed.Is(error_details_pb2.LocalizedMessage.DESCRIPTOR):
                text = error_details_pb2.LocalizedMessage.FromString(packed.value)
                texts[text.locale] = text.message
            elif packed.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
                delay = error_details_pb2.RetryInfo.FromString(packed.value).retry_delay
                retry = delay.ToTimedelta().total_seconds()
        return cls(error.code().name, reason, facts, texts, retry)


@dataclass
class SandboxCaller:
    """Calls to a sandbox.

    Attributes:
        facts: What stands in the credentials file.
        path: The file.
    """

    facts: dict[str, Any]
    path: Path
    _channels: dict[tuple[str, str], grpc.Channel] = field(default_factory=dict)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for channel in self._channels.values():
            channel.close()

    def play(self, entry: dict[str, Any]) -> Any:
        """Make the call that an entry of the catalogue describes.

        Raises:
            RefusedCallError: The node refused.
        """
        text = json.dumps(entry["request"]).replace("{serial}", f"S-{next(_serials)}")
        metadata = [(name, value) for name, value in entry.get("metadata", {}).items()]
        return self.call(
            entry["rpc"],
            json.loads(text),
            caller=entry["as"],
            at=entry["at"],
            metadata=metadata,
            timeout=entry.get("deadline_ms", 10_000) / 1000,
        )

    def call(
        self,
        rpc: str,
        request: dict[str, Any],
        *,
        caller: str = "counter_app",
        at: str = "home",
        metadata: list[tuple[str, str]] | None = None,
        timeout: float = 10,
    ) -> Any:
        """Call a method by its name with a request in protobuf's JSON; of a stream the first answer."""
        service, _, name = rpc.partition("/")
        method = descriptor_pool.Default().FindServiceByName(service).FindMethodByName(name)
        channel = self.channel(caller, at)
        make = channel.unary_stream if method.server_streaming else channel.unary_unary
        stub = make(
            f"/{rpc}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=message_factory.GetMessageClass(method.output_type).FromString,
        )
        message = ParseDict(request, message_factory.GetMessageClass(method.input_type)())
        try:
            answer = stub(message, timeout=timeout, metadata=metadata)
            return next(answer) if method.server_streaming else answer
        except grpc.RpcError as error:
            raise RefusedCallError.of(error) from None

    def channel(self, caller: str, at: str) -> grpc.Channel:
        """The channel of a caller to a node, made at the first wish."""
        key = (caller, at)
        if key not in self._channels:
            node = self.facts if at == "home" else self.facts[at]
            identity = (self.facts["callers"] if at == "home" else node)[caller]
            credentials = grpc.ssl_channel_credentials(
                self.facts["roots_pem"].encode(),
                identity["private_key_pem"].encode(),
                identity["certificate_pem"].encode(),
            )
            options = [("grpc.ssl_target_name_override", node["server_name"]), ("grpc.use_local_subchannel_pool", 1)]
            self._channels[key] = grpc.secure_channel(node["target"], credentials, options)
        return self._channels[key]
