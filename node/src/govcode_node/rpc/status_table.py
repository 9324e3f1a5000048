"""The table from domain errors to status code, reason and facts; `status` makes answers of its rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import grpc

from govcode_node.domain import (
    accounts,
    authorizations,
    callers,
    catalogue,
    code_rules,
    codecs,
    codes,
    disclosure,
    errors,
    evidence,
    identification,
    issued_codes,
    keys,
    licenses,
    mandates,
    nodes,
    numbers,
    parties,
    recognition,
    regions,
    routes,
    scans,
    scenes,
)
from govcode_node.domain.errors import GovcodeError
from govcode_node.domain.identities import CertificateFault, UntrustedCertificateError

_INVALID = grpc.StatusCode.INVALID_ARGUMENT
_ABSENT = grpc.StatusCode.NOT_FOUND
_EXISTS = grpc.StatusCode.ALREADY_EXISTS
_DENIED = grpc.StatusCode.PERMISSION_DENIED
_UNKNOWN_CALLER = grpc.StatusCode.UNAUTHENTICATED
_STATE = grpc.StatusCode.FAILED_PRECONDITION
_LIMIT = grpc.StatusCode.RESOURCE_EXHAUSTED
_DOWN = grpc.StatusCode.UNAVAILABLE
_LATE = grpc.StatusCode.DEADLINE_EXCEEDED


@dataclass(frozen=True, slots=True)
class Row:
    """What becomes of one class of errors.

    Attributes:
        code: Status code.
        reason: Reason.
        facts: Name of each fact and the attribute that it comes from; all public attributes where None.
        retry: Gives the seconds after which trying again may help; None where it does not.
        field: Gives field and fault for `BadRequest`; None where no field is to blame.
        quiet: Whether the error's own sentence is for the log only, since it may name hosts, files, key slots or what
            the caller sent; the caller gets the sentence of the reason.
    """

    code: grpc.StatusCode
    reason: str
    facts: Mapping[str, str] | None = None
    # Any: each function belongs to the class in its row, which a table cannot say in types.
    retry: Callable[[Any], float] | None = None
    field: Callable[[Any], tuple[str, str]] | None = None
    quiet: bool = False


def _stated(error: Any) -> float:
    """It takes the delay from the error itself."""
    return float(error.retry_after_seconds)


def _after(seconds: float) -> Callable[[Any], float]:
    return lambda _: seconds


_REQUESTS: Final[Mapping[type[GovcodeError], Row]] = {
    errors.InvalidFieldError: Row(_INVALID, "INVALID_FIELD", field=lambda error: (error.field, error.why)),
    errors.SerialConflictError: Row(_EXISTS, "SERIAL_CONFLICT"),
    errors.CursorInvalidError: Row(_INVALID, "CURSOR_INVALID"),
    errors.MessageTooLargeError: Row(_LIMIT, "MESSAGE_TOO_LARGE"),
    regions.InvalidRegionCodeError: Row(
        _INVALID,
        "INVALID_FIELD",
        facts={},
        field=lambda _: ("region_code", "is not a region code of six digits"),
        quiet=True,
    ),
    numbers.InvalidNumberError: Row(
        _INVALID, "INVALID_FIELD", field=lambda error: (error.kind.value.lower(), error.fault.value.lower())
    ),
    codes.SymbolScaleError: Row(
        _INVALID, "INVALID_FIELD", field=lambda error: ("scale", f"is not between 1 and {error.limit}")
    ),
    codes.InvalidCodeContentError: Row(
        _INVALID, "INVALID_FIELD", field=lambda error: (error.field, error.fault.value.lower())
    ),
    codes.ExtensionTooLongError: Row(_INVALID, "EXTENSION_TOO_LONG", facts={"length": "length"}),
    codes.SymbologyUnsupportedError: Row(_INVALID, "SYMBOLOGY_UNSUPPORTED"),
    codes.SymbolDataTooLongError: Row(_INVALID, "DATA_TOO_LONG"),
    codecs.MalformedCodeError: Row(_INVALID, "CODE_MALFORMED", facts={"why": "reason"}),
    codecs.UnsupportedVersionError: Row(_INVALID, "CODE_VERSION_UNSUPPORTED"),
}

_CALLERS: Final[Mapping[type[GovcodeError], Row]] = {
    UntrustedCertificateError: Row(_UNKNOWN_CALLER, "CERTIFICATE_UNTRUSTED", facts={"why": "detail"}),
    callers.CallerNotAllowedError: Row(_DENIED, "CALLER_NOT_ALLOWED"),
    callers.MethodNotInPolicyError: Row(_DENIED, "METHOD_NOT_IN_POLICY"),
    callers.AppUnknownError: Row(_DENIED, "APP_UNKNOWN"),
    callers.AppDisabledError: Row(_DENIED, "APP_DISABLED"),
    callers.DeviceUnknownError: Row(_DENIED, "DEVICE_UNKNOWN"),
    callers.DeviceDisabledError: Row(_DENIED, "DEVICE_DISABLED"),
    callers.OperatorUnknownError: Row(_DENIED, "OPERATOR_UNKNOWN"),
    callers.IdentityMismatchError: Row(_DENIED, "IDENTITY_MISMATCH"),
    callers.DeadlineTooShortError: Row(_LATE, "DEADLINE_TOO_SHORT"),
}

_HOLDERS: Final[Mapping[type[GovcodeError], Row]] = {
    identification.IdentityFailedError: Row(_DENIED, "IDENTITY_FAILED"),
    identification.IdentificationExpiredError: Row(_STATE, "IDENTIFICATION_EXPIRED"),
    identification.IdentityProviderUnavailableError: Row(_DOWN, "IDENTITY_PROVIDER_UNAVAILABLE", retry=_after(5)),
    identification.AssuranceTooLowError: Row(_STATE, "ASSURANCE_TOO_LOW"),
    accounts.SessionInvalidError: Row(_STATE, "SESSION_INVALID"),
    accounts.SessionNotFoundError: Row(_ABSENT, "SESSION_NOT_FOUND"),
    accounts.AccountNotFoundError: Row(_ABSENT, "ACCOUNT_NOT_FOUND"),
    accounts.AlreadyOpenError: Row(_EXISTS, "ALREADY_OPEN"),
    accounts.SubjectSuspendedError: Row(_STATE, "SUBJECT_SUSPENDED"),
    accounts.DeviceNotBoundError: Row(_STATE, "DEVICE_NOT_BOUND"),
    accounts.TermsNotAcceptedError: Row(_STATE, "TERMS_NOT_ACCEPTED"),
    accounts.HolderProofInvalidError: Row(_DENIED, "HOLDER_PROOF_INVALID"),
    accounts.RelationNotProvenError: Row(_DENIED, "RELATION_NOT_PROVEN"),
    accounts.RelationUnknownError: Row(_ABSENT, "RELATION_UNKNOWN"),
}

_CODES: Final[Mapping[type[GovcodeError], Row]] = {
    scenes.SceneUnknownError: Row(_ABSENT, "SCENE_UNKNOWN"),
    scenes.SceneNotAllowedError: Row(_DENIED, "SCENE_NOT_ALLOWED"),
    scenes.SceneRuleOutOfBoundsError: Row(_INVALID, "SCENE_RULE_OUT_OF_BOUNDS"),
    code_rules.TerminalRuleError: Row(_INVALID, "TERMINAL_RULE_VIOLATED"),
    code_rules.CodeTransitionError: Row(_STATE, "CODE_STATE_CONFLICT"),
    issued_codes.TicketInvalidError: Row(_STATE, "TICKET_INVALID"),
    issued_codes.TicketExpiredError: Row(_STATE, "TICKET_EXPIRED"),
    issued_codes.TicketUsedError: Row(_STATE, "TICKET_USED"),
    issued_codes.CodeNotFoundError: Row(_ABSENT, "CODE_NOT_FOUND"),
    issued_codes.CodeStateConflictError: Row(_STATE, "CODE_STATE_CONFLICT"),
    scans.ScanNotFoundError: Row(_ABSENT, "SCAN_NOT_FOUND"),
    scans.ScanTooOldError: Row(_STATE, "SCAN_TOO_OLD"),
    scans.CrossRegionUnsupportedError: Row(_STATE, "CROSS_REGION_UNSUPPORTED"),
    disclosure.ScopeDeniedError: Row(_DENIED, "SCOPE_DENIED"),
    parties.DuplicateError: Row(_EXISTS, "DUPLICATE"),
    parties.PartyUnknownError: Row(_ABSENT, "PARTY_UNKNOWN"),
    parties.RegistrationStateConflictError: Row(
        _STATE, "REGISTRATION_STATE_CONFLICT", facts={"from": "present", "to": "target"}
    ),
}

_FEDERATION: Final[Mapping[type[GovcodeError], Row]] = {
    routes.NoRouteError: Row(_ABSENT, "NO_ROUTE"),
    routes.TrustBundleMissingError: Row(_DOWN, "TRUST_BUNDLE_MISSING", retry=_after(5)),
    routes.TrustBundleStaleError: Row(_STATE, "TRUST_BUNDLE_STALE"),
    nodes.NodeUnknownError: Row(_ABSENT, "NODE_UNKNOWN"),
    nodes.NodeNotApprovedError: Row(_DENIED, "NODE_NOT_APPROVED"),
    nodes.NodeSuspendedError: Row(_DENIED, "NODE_SUSPENDED"),
    nodes.NodeStateConflictError: Row(_STATE, "NODE_STATE_CONFLICT"),
    nodes.PrefixConflictError: Row(_EXISTS, "PREFIX_CONFLICT"),
    nodes.HubNotHereError: Row(grpc.StatusCode.UNIMPLEMENTED, "HUB_NOT_HERE"),
    evidence.InvalidEvidenceError: Row(_DENIED, "EVIDENCE_INVALID", facts={"why": "reason"}),
    recognition.EvidenceRefusedError: Row(_DENIED, "EVIDENCE_INVALID"),
    recognition.EvidenceStaleError: Row(_STATE, "EVIDENCE_STALE"),
    recognition.LoopDetectedError: Row(_STATE, "LOOP_DETECTED"),
    recognition.HopLimitError: Row(_STATE, "HOP_LIMIT"),
    # An answer that may not be believed counts as none; what was wrong with it is in the audit trail.
    recognition.PeerAnswerRefusedError: Row(
        _DOWN, "HOME_NODE_UNREACHABLE", facts={"node_id": "node_id"}, retry=_after(2)
    ),
    recognition.HomeNodeUnreachableError: Row(_DOWN, "HOME_NODE_UNREACHABLE", retry=_after(2)),
    recognition.HomeNodeTimeoutError: Row(_LATE, "HOME_NODE_UNREACHABLE", retry=_after(2)),
}

_ASKING: Final[Mapping[type[GovcodeError], Row]] = {
    catalogue.ScopeNotRegisteredError: Row(_DENIED, "SCOPE_NOT_REGISTERED"),
    catalogue.ExcessiveScopeError: Row(_DENIED, "EXCESSIVE_SCOPE"),
    catalogue.AuthorizationOutOfPolicyError: Row(_INVALID, "AUTHORIZATION_OUT_OF_POLICY"),
    catalogue.LicenseTypeUnknownError: Row(_ABSENT, "LICENSE_TYPE_UNKNOWN"),
    authorizations.SubjectUnreachableError: Row(_STATE, "SUBJECT_UNREACHABLE"),
    authorizations.StatutoryNotAllowedError: Row(_DENIED, "STATUTORY_NOT_ALLOWED"),
    authorizations.SceneCodeInvalidError: Row(_STATE, "SCENE_CODE_INVALID"),
    authorizations.AuthorizationNotFoundError: Row(_ABSENT, "AUTHORIZATION_NOT_FOUND"),
    authorizations.NotOwnerError: Row(_DENIED, "NOT_OWNER"),
    authorizations.AuthorizationStateConflictError: Row(_STATE, "AUTHORIZATION_STATE_CONFLICT"),
    authorizations.AuthorizationTimedOutError: Row(_STATE, "AUTHORIZATION_TIMED_OUT"),
    authorizations.NoticeChangedError: Row(_STATE, "NOTICE_CHANGED"),
    authorizations.SensitiveNotConfirmedError: Row(_STATE, "SENSITIVE_NOT_CONFIRMED"),
    authorizations.StepUpRequiredError: Row(_STATE, "STEP_UP_REQUIRED"),
    authorizations.StepUpMismatchError: Row(_STATE, "STEP_UP_MISMATCH"),
    mandates.MandateInvalidError: Row(_DENIED, "MANDATE_INVALID"),
}

_USING: Final[Mapping[type[GovcodeError], Row]] = {
    authorizations.ItemNotGrantedError: Row(_DENIED, "ITEM_NOT_GRANTED"),
    authorizations.MatterMismatchError: Row(_DENIED, "MATTER_MISMATCH"),
    authorizations.AudienceMismatchError: Row(_DENIED, "AUDIENCE_MISMATCH"),
    # Not what waiting can help: a limit of the grant, not of the node's load.
    authorizations.GrantExhaustedError: Row(_LIMIT, "GRANT_EXHAUSTED"),
    authorizations.GrantExpiredError: Row(_STATE, "GRANT_EXPIRED"),
    authorizations.GrantWithdrawnError: Row(_STATE, "GRANT_WITHDRAWN"),
    authorizations.ConsentRequiredError: Row(_STATE, "CONSENT_REQUIRED"),
    licenses.EncryptionKeyMissingError: Row(_STATE, "ENCRYPTION_KEY_MISSING"),
    licenses.LocatorRequiredError: Row(_STATE, "LOCATOR_REQUIRED"),
    licenses.LicenseNotFoundError: Row(_ABSENT, "LICENSE_NOT_FOUND"),
    licenses.LicenseNotValidError: Row(_STATE, "LICENSE_NOT_VALID"),
    licenses.LicenseSealInvalidError: Row(_STATE, "LICENSE_SEAL_INVALID"),
    licenses.HolderMismatchError: Row(_DENIED, "HOLDER_MISMATCH"),
    licenses.LicenseServiceUnavailableError: Row(_DOWN, "LICENSE_SERVICE_UNAVAILABLE", retry=_stated),
    licenses.LicenseServiceQuotaError: Row(_LIMIT, "LICENSE_SERVICE_QUOTA", retry=_stated),
}

_LOAD: Final[Mapping[type[GovcodeError], Row]] = {
    errors.RateLimitedError: Row(_LIMIT, "RATE_LIMITED", retry=_stated),
    errors.OverloadedError: Row(_LIMIT, "OVERLOADED", retry=_stated),
    errors.StreamLimitError: Row(_LIMIT, "STREAM_LIMIT_REACHED"),
    errors.DrainingError: Row(_DOWN, "DRAINING", retry=_after(1)),
    errors.StoreUnavailableError: Row(_DOWN, "STORE_UNAVAILABLE", facts={}, retry=_after(1), quiet=True),
    keys.KeyUnavailableError: Row(_DOWN, "KEY_UNAVAILABLE", facts={"purpose": "purpose"}, retry=_after(5), quiet=True),
    keys.KeyStateError: Row(_DOWN, "KEY_UNAVAILABLE", facts={"state": "state"}, retry=_after(5), quiet=True),
    keys.KeyExhaustedError: Row(_DOWN, "KEY_UNAVAILABLE", facts={}, retry=_after(5), quiet=True),
    keys.RandomSourceError: Row(_DOWN, "KEY_UNAVAILABLE", facts={}, retry=_after(5), quiet=True),
    codes.RandomSourceError: Row(_DOWN, "KEY_UNAVAILABLE", facts={}, retry=_after(5), quiet=True),
}

TABLE: Final[Mapping[type[GovcodeError], Row]] = {
    **_REQUESTS,
    **_CALLERS,
    **_HOLDERS,
    **_CODES,
    **_FEDERATION,
    **_ASKING,
    **_USING,
    **_LOAD,
}
"""What becomes of each domain error; a subclass that is not named goes with its parent."""

# Two classes mean one thing or another by an attribute of theirs.
_CERTIFICATE_MISSING: Final = Row(_UNKNOWN_CALLER, "CERTIFICATE_MISSING", facts={})
_USCC_INVALID: Final = Row(_INVALID, "USCC_INVALID", facts={}, field=lambda error: ("uscc", error.fault.value.lower()))


def row_of(error: BaseException) -> Row | None:
    """It finds what becomes of an error; None for one that no caller should ever have met."""
    if isinstance(error, UntrustedCertificateError) and error.reason is CertificateFault.NO_IDENTITY:
        return _CERTIFICATE_MISSING
    if isinstance(error, numbers.InvalidNumberError) and error.kind is numbers.NumberKind.USCC:
        return _USCC_INVALID
    for kind in type(error).__mro__:
        row = TABLE.get(kind)
        if row is not None:
            return row
    return None
