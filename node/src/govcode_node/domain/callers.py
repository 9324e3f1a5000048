"""Who calls, and with what around the message: the facts that a use case may rely on besides the request itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from govcode_node.domain.errors import FactsError
from govcode_node.domain.identities import CallerClass


class OperatorRole(StrEnum):
    """What an operator may do; the three are held by different people (8.3-07)."""

    BUSINESS = "business"
    SECURITY = "security"
    AUDIT = "audit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """An authenticated caller.

    Attributes:
        caller_class: Class in its certificate.
        name: Name in its certificate: a node id, application id, device id or operator name.
        kind: For an application `holder` or `relying_party`, from its registry row; empty otherwise.
        roles: For an operator, from the configuration.
        approved: For a node, whether the trust bundle has it as active; a node that is not is a candidate.
        certificate: SM3 thumbprint of the certificate, hexadecimal; goes into the audit trail.
    """

    caller_class: CallerClass
    name: str
    kind: str = ""
    roles: frozenset[OperatorRole] = frozenset()
    approved: bool = True
    certificate: str = ""

    def labels(self) -> frozenset[str]:
        """It names what the caller is in the words of `policy.toml`. Example: `app.holder`, `operator.audit`."""
        if self.caller_class is CallerClass.APP:
            return frozenset({f"app.{self.kind}"})
        if self.caller_class is CallerClass.OPERATOR:
            return frozenset(f"operator.{role.value}" for role in self.roles)
        if self.caller_class is CallerClass.NODE:
            return frozenset({"node" if self.approved else "candidate"})
        return frozenset({self.caller_class.value})

    @property
    def label(self) -> str:
        """One word for logs and the audit trail: the only label, or the class where there are several or none."""
        labels = self.labels()
        return next(iter(labels)) if len(labels) == 1 else self.caller_class.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call: the caller and what came as metadata (architecture: metadata, not header messages).

    Attributes:
        caller: Who calls.
        method: Full method name. Example: `/govcode.code.v1.CodeApplicationService/ScanCode`.
        request_id: Id of the request, given by the caller or made here.
        device_id: The reading device, where the caller named one.
        trace_id: Trace of the act, 32 hexadecimal digits; empty where there is none.
        request_digest: SM3 of the request message, by which a repetition is told from another act.
        deadline: When the caller gives up, less the margin; None for a stream without one.
        metadata: What must travel on to the next node, for example `traceparent`.
    """

    caller: Caller
    method: str
    request_id: str
    device_id: str = ""
    trace_id: str = ""
    request_digest: bytes = b""
    deadline: datetime | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(eq=False)
class CallerNotAllowedError(FactsError):
    """The caller's class, kind or role may not call the method."""

    caller: str
    method: str
    says = "{caller} may not call {method}"


@dataclass(eq=False)
class MethodNotInPolicyError(FactsError):
    """The policy does not name the method, so nobody may call it."""

    method: str
    says = "{method} is not in the policy"


@dataclass(eq=False)
class AppUnknownError(FactsError):
    """The application of the certificate is not registered here."""

    app_id: str
    says = "application {app_id} is not registered at this node; an operator registers it"


@dataclass(eq=False)
class AppDisabledError(FactsError):
    """The application or its organisation is not enabled."""

    app_id: str
    state: str
    says = "application {app_id} or its organisation is {state}; an operator enables it"


@dataclass(eq=False)
class DeviceUnknownError(FactsError):
    """The scanner is not registered, or belongs to another application."""

    device_id: str
    says = "scanner {device_id} is not registered for this application"


@dataclass(eq=False)
class DeviceDisabledError(FactsError):
    """The scanner is not enabled."""

    device_id: str
    state: str
    says = "scanner {device_id} is {state}"


@dataclass(eq=False)
class OperatorUnknownError(FactsError):
    """The operator of the certificate has no role here."""

    operator: str
    says = "operator {operator} has no role at this node; the configuration names operators"


@dataclass(eq=False)
class IdentityMismatchError(FactsError):
    """The certificate names another node than the message."""

    certificate: str
    message: str
    says = "the certificate names {certificate}, the message {message}"


@dataclass(eq=False)
class DeadlineTooShortError(FactsError):
    """Less time is left than the work needs."""

    left_ms: int
    says = "{left_ms} ms are left, too little to do the work"
