"""One real error of the domain for each reason of the contract: what a magic serial raises.

The errors go through the table of production, so that status, facts, texts and delays are those that a client meets
there. The facts are the examples of the contract.
"""

from collections.abc import Callable, Mapping
from typing import Final

from govcode_node.domain import (
    accounts,
    callers,
    code_rules,
    codecs,
    codes,
    disclosure,
    errors,
    identification,
    issued_codes,
    keys,
    nodes,
    numbers,
    parties,
    recognition,
    routes,
    scans,
    scenes,
)
from govcode_node.domain.identities import CertificateFault, UntrustedCertificateError
from govcode_node.sandbox.authorization_errors import AUTHORIZATION_SAMPLES

Make = Callable[[], Exception]


class SandboxFaultError(Exception):
    """No error of the domain: what a node does not expect becomes INTERNAL_FAULT."""


_REQUESTS: Final[Mapping[str, Make]] = {
    "INVALID_FIELD": lambda: errors.InvalidFieldError("biz_serial", "is required"),
    "SERIAL_CONFLICT": lambda: errors.SerialConflictError("S-1"),
    "CURSOR_INVALID": lambda: errors.CursorInvalidError("unknown"),
    "CODE_MALFORMED": lambda: codecs.MalformedCodeError(codecs.Malformation.SEAL_LENGTH),
    "CODE_VERSION_UNSUPPORTED": lambda: codecs.UnsupportedVersionError("version 2, profile 0"),
    "SYMBOLOGY_UNSUPPORTED": lambda: codes.SymbologyUnsupportedError(codes.Symbology.HAN_XIN),
    "DATA_TOO_LONG": lambda: codes.SymbolDataTooLongError(1000, codes.ErrorLevel.H),
    "EXTENSION_TOO_LONG": lambda: codes.ExtensionTooLongError(201),
    "MESSAGE_TOO_LARGE": lambda: errors.MessageTooLargeError(65_536),
}
_CALLERS: Final[Mapping[str, Make]] = {
    "CERTIFICATE_MISSING": lambda: UntrustedCertificateError(CertificateFault.NO_IDENTITY, "no identity"),
    "CERTIFICATE_UNTRUSTED": lambda: UntrustedCertificateError(CertificateFault.EXPIRED, "expired"),
    "CALLER_NOT_ALLOWED": lambda: callers.CallerNotAllowedError("app.relying_party", "/sandbox"),
    "METHOD_NOT_IN_POLICY": lambda: callers.MethodNotInPolicyError("/sandbox"),
    "APP_UNKNOWN": lambda: callers.AppUnknownError("unknown-app"),
    "APP_DISABLED": lambda: callers.AppDisabledError("suspended-app", "SUSPENDED"),
    "DEVICE_UNKNOWN": lambda: callers.DeviceUnknownError("counter-scanner-9"),
    "DEVICE_DISABLED": lambda: callers.DeviceDisabledError("suspended-scanner-1", "SUSPENDED"),
    "OPERATOR_UNKNOWN": lambda: callers.OperatorUnknownError("nobody"),
    "IDENTITY_MISMATCH": lambda: callers.IdentityMismatchError("310000", "110000"),
}
_HOLDERS: Final[Mapping[str, Make]] = {
    "IDENTITY_FAILED": lambda: identification.IdentityFailedError("local"),
    "IDENTIFICATION_EXPIRED": lambda: identification.IdentificationExpiredError("id-1"),
    "IDENTITY_PROVIDER_UNAVAILABLE": lambda: identification.IdentityProviderUnavailableError("local"),
    "ASSURANCE_TOO_LOW": lambda: identification.AssuranceTooLowError(3, 1),
    "ALREADY_OPEN": accounts.AlreadyOpenError,
    "TERMS_NOT_ACCEPTED": lambda: accounts.TermsNotAcceptedError("2026-01"),
    "ACCOUNT_NOT_FOUND": accounts.AccountNotFoundError,
    "SUBJECT_SUSPENDED": lambda: accounts.SubjectSuspendedError("ac-1"),
    "DEVICE_NOT_BOUND": lambda: accounts.DeviceNotBoundError("0123456789abcdef"),
    "HOLDER_PROOF_INVALID": lambda: accounts.HolderProofInvalidError("SIGNATURE"),
    "SESSION_INVALID": lambda: accounts.SessionInvalidError("ENDED"),
    "SESSION_NOT_FOUND": lambda: accounts.SessionNotFoundError("se-1"),
    "RELATION_NOT_PROVEN": lambda: accounts.RelationNotProvenError("ac-1"),
    "RELATION_UNKNOWN": lambda: accounts.RelationUnknownError("re-1"),
}
_CODES: Final[Mapping[str, Make]] = {
    "SCENE_UNKNOWN": lambda: scenes.SceneUnknownError(7),
    "SCENE_NOT_ALLOWED": lambda: scenes.SceneNotAllowedError(7),
    "TERMINAL_RULE_VIOLATED": lambda: code_rules.TerminalRuleError(
        codes.TerminalType.PRINTED, code_rules.TerminalRule.PRINTED_IS_STATIC
    ),
    "TICKET_INVALID": issued_codes.TicketInvalidError,
    "TICKET_EXPIRED": issued_codes.TicketExpiredError,
    "TICKET_USED": issued_codes.TicketUsedError,
    "CODE_NOT_FOUND": lambda: issued_codes.CodeNotFoundError("00"),
    "CODE_STATE_CONFLICT": lambda: issued_codes.CodeStateConflictError("REVOKED"),
    "SCAN_NOT_FOUND": lambda: scans.ScanNotFoundError("sc-1"),
    "SCAN_TOO_OLD": lambda: scans.ScanTooOldError("sc-1"),
    "SCOPE_DENIED": lambda: disclosure.ScopeDeniedError("phone", 1),
    "CROSS_REGION_UNSUPPORTED": lambda: scans.CrossRegionUnsupportedError("310000"),
}
_REGISTRY: Final[Mapping[str, Make]] = {
    "DUPLICATE": lambda: parties.DuplicateError("app_id", "counter-app"),
    "USCC_INVALID": lambda: numbers.InvalidNumberError(numbers.NumberKind.USCC, numbers.NumberFault.CHECK_DIGIT),
    "PARTY_UNKNOWN": lambda: parties.PartyUnknownError("relying_party_id", "rp-1"),
    "REGISTRATION_STATE_CONFLICT": lambda: parties.RegistrationStateConflictError("CLOSED", "ENABLED"),
    "SCENE_RULE_OUT_OF_BOUNDS": lambda: scenes.SceneRuleOutOfBoundsError("validity", "15s..600s"),
}
_FEDERATION: Final[Mapping[str, Make]] = {
    "NO_ROUTE": lambda: routes.NoRouteError("990000"),
    "TRUST_BUNDLE_MISSING": routes.TrustBundleMissingError,
    "TRUST_BUNDLE_STALE": lambda: routes.TrustBundleStaleError(260_000),
    "NODE_UNKNOWN": lambda: nodes.NodeUnknownError("530000"),
    "NODE_NOT_APPROVED": lambda: nodes.NodeNotApprovedError("530000"),
    "NODE_SUSPENDED": lambda: nodes.NodeSuspendedError("530000"),
    "NODE_STATE_CONFLICT": lambda: nodes.NodeStateConflictError("ACTIVE"),
    "PREFIX_CONFLICT": lambda: nodes.PrefixConflictError("4201", "420100"),
    "EVIDENCE_INVALID": lambda: recognition.EvidenceRefusedError("signature"),
    "EVIDENCE_STALE": lambda: recognition.EvidenceStaleError(400),
    "LOOP_DETECTED": lambda: recognition.LoopDetectedError("310000,110000"),
    "HOP_LIMIT": lambda: recognition.HopLimitError("310000,110000,440000,420100,130000"),
    "HOME_NODE_UNREACHABLE": lambda: recognition.HomeNodeUnreachableError("110000"),
    "HUB_NOT_HERE": nodes.HubNotHereError,
}
_LOAD: Final[Mapping[str, Make]] = {
    "RATE_LIMITED": lambda: errors.RateLimitedError("subject", 1.0),
    "OVERLOADED": lambda: errors.OverloadedError("store", 1.0),
    "STREAM_LIMIT_REACHED": lambda: errors.StreamLimitError(16),
    "DEADLINE_TOO_SHORT": lambda: callers.DeadlineTooShortError(40),
    "STORE_UNAVAILABLE": lambda: errors.StoreUnavailableError("sandbox"),
    "KEY_UNAVAILABLE": lambda: keys.KeyUnavailableError(keys.KeyPurpose.CODE_MAC, "sandbox"),
    "DRAINING": errors.DrainingError,
    "INTERNAL_FAULT": SandboxFaultError,
}

SAMPLES: Final[Mapping[str, Make]] = {
    **_REQUESTS,
    **_CALLERS,
    **_HOLDERS,
    **_CODES,
    **_REGISTRY,
    **_FEDERATION,
    **_LOAD,
    **AUTHORIZATION_SAMPLES,
}
"""How the error of each reason is made, by the name in `ErrorInfo`; anew each time, since errors gather traces."""
