"""Words that several subjects share: kinds of subjects and scenes, what is done with a code, where a grant stands."""

from typing import Final

from govcode.authorization.v1 import authorization_pb2 as authorizationv1
from govcode.authorization.v1 import license_pb2 as licensev1
from govcode.code.v1 import scan_pb2 as scanv1
from govcode.common.v1 import scene_pb2 as scenev1
from govcode.common.v1 import subject_pb2 as subjectv1

from govcode_node.domain.authorizations import AuthorizationEntry, AuthorizationState, LegalBasis, UseState
from govcode_node.domain.codes import SubjectKind
from govcode_node.domain.errors import InvalidFieldError
from govcode_node.domain.licenses import LicenseStatus
from govcode_node.domain.scans import ScanAct
from govcode_node.domain.scenes import SceneClass
from govcode_node.wire.enums import EnumPair

SUBJECT_KINDS: Final = EnumPair(SubjectKind, subjectv1.SubjectKind.Value, prefix="SUBJECT_KIND")
SCENE_CLASSES: Final = EnumPair(SceneClass, scenev1.SceneClass.Value, prefix="SCENE_CLASS")
SCAN_ACTS: Final = EnumPair(ScanAct, scanv1.ScanAct.Value, prefix="SCAN_ACT")
AUTHORIZATION_STATES: Final = EnumPair(
    AuthorizationState, authorizationv1.AuthorizationState.Value, prefix="AUTHORIZATION_STATE"
)
AUTHORIZATION_ENTRIES: Final = EnumPair(
    AuthorizationEntry, authorizationv1.AuthorizationEntry.Value, prefix="AUTHORIZATION_ENTRY"
)
LEGAL_BASES: Final = EnumPair(LegalBasis, authorizationv1.LegalBasis.Value, prefix="LEGAL_BASIS")
USE_STATES: Final = EnumPair(UseState, authorizationv1.LicenseUseState.Value, prefix="LICENSE_USE_STATE")
LICENSE_STATUSES: Final = EnumPair(LicenseStatus, licensev1.LicenseStatus.Value, prefix="LICENSE_STATUS")


def stated_scene_class(value: int, field: str) -> SceneClass:
    """It reads the class that a peer states; one of a newer release counts as GENERAL, which is owed the least.

    Raises:
        InvalidFieldError: None is stated.
    """
    if value == scenev1.SCENE_CLASS_UNSPECIFIED:
        raise InvalidFieldError(field, "is required")
    return SCENE_CLASSES.known(value, default=SceneClass.GENERAL)
