"""The real errors of authorizations and licences (6.3), one for each reason; see `errors`."""

from collections.abc import Callable, Mapping
from typing import Final

from govcode_node.domain import authorizations, catalogue, licenses, mandates

_ID: Final = "au_" + "0" * 32
_MATTER: Final = "M-1"
_TYPE: Final = "id-card"
_NODE: Final = "310000"

AUTHORIZATION_SAMPLES: Final[Mapping[str, Callable[[], Exception]]] = {
    "SCOPE_NOT_REGISTERED": lambda: catalogue.ScopeNotRegisteredError(_MATTER, "counter-app"),
    "EXCESSIVE_SCOPE": lambda: catalogue.ExcessiveScopeError(_MATTER, _TYPE, "photo"),
    "AUTHORIZATION_OUT_OF_POLICY": lambda: catalogue.AuthorizationOutOfPolicyError("max_uses", "3"),
    "SUBJECT_UNREACHABLE": authorizations.SubjectUnreachableError,
    "AUTHORIZATION_NOT_FOUND": lambda: authorizations.AuthorizationNotFoundError(_ID),
    "NOT_OWNER": lambda: authorizations.NotOwnerError(_ID),
    "AUTHORIZATION_STATE_CONFLICT": lambda: authorizations.AuthorizationStateConflictError(_ID, "DENIED"),
    "AUTHORIZATION_TIMED_OUT": lambda: authorizations.AuthorizationTimedOutError(_ID),
    "NOTICE_CHANGED": lambda: authorizations.NoticeChangedError("2026-01"),
    "SENSITIVE_NOT_CONFIRMED": lambda: authorizations.SensitiveNotConfirmedError(2),
    "STEP_UP_REQUIRED": authorizations.StepUpRequiredError,
    "STEP_UP_MISMATCH": lambda: authorizations.StepUpMismatchError("OTHER_REQUEST"),
    "MANDATE_INVALID": lambda: mandates.MandateInvalidError("MATTER"),
    "STATUTORY_NOT_ALLOWED": lambda: authorizations.StatutoryNotAllowedError(_MATTER),
    "SCENE_CODE_INVALID": lambda: authorizations.SceneCodeInvalidError("REVOKED"),
    "LICENSE_TYPE_UNKNOWN": lambda: catalogue.LicenseTypeUnknownError(_TYPE),
    "ITEM_NOT_GRANTED": lambda: authorizations.ItemNotGrantedError(_ID, 2),
    "MATTER_MISMATCH": lambda: authorizations.MatterMismatchError(_MATTER, "M-2"),
    "AUDIENCE_MISMATCH": lambda: authorizations.AudienceMismatchError(_ID),
    "GRANT_EXHAUSTED": lambda: authorizations.GrantExhaustedError(_ID, 1),
    "GRANT_EXPIRED": lambda: authorizations.GrantExpiredError(_ID),
    "GRANT_WITHDRAWN": lambda: authorizations.GrantWithdrawnError(_ID),
    "ENCRYPTION_KEY_MISSING": lambda: licenses.EncryptionKeyMissingError("counter-app"),
    "LOCATOR_REQUIRED": licenses.LocatorRequiredError,
    "LICENSE_NOT_FOUND": lambda: licenses.LicenseNotFoundError(_TYPE, _NODE),
    "LICENSE_NOT_VALID": lambda: licenses.LicenseNotValidError("REVOKED"),
    "LICENSE_SEAL_INVALID": lambda: licenses.LicenseSealInvalidError("SIGNATURE"),
    "HOLDER_MISMATCH": licenses.HolderMismatchError,
    "LICENSE_SERVICE_UNAVAILABLE": lambda: licenses.LicenseServiceUnavailableError(_NODE),
    "LICENSE_SERVICE_QUOTA": lambda: licenses.LicenseServiceQuotaError(_NODE),
    "CONSENT_REQUIRED": lambda: authorizations.ConsentRequiredError("id_number"),
}
