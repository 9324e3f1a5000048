"""What may be asked of holders: licence types (证照类型), and the matters (事项) for which applications may ask (7.4).

A matter is the anchor of purpose: what lies outside the scope that an operator approved for it cannot be asked for at
all (最小必要, 6.3-04).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from govcode_node.domain.codes import SubjectKind
from govcode_node.domain.disclosure import FieldName
from govcode_node.domain.errors import FactsError

SUBJECT_TYPE: Final = "subject"
"""The licence type that stands for the fields of the code's subject itself, for `ResolveCode` (7.2-11)."""

MAX_PERIOD: Final = timedelta(days=90)
"""Longest time that a grant may be used after the decision (domain 4.2)."""

MAX_USES: Final = 1000
"""Most uses of one item that a matter may allow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenseTypeField:
    """One field of a licence type.

    Attributes:
        name: Its name.
        label: Its name for people.
        sensitive: Whether it is sensitive personal information (敏感个人信息).
    """

    name: str
    label: str
    sensitive: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenseType:
    """A type of licence that may be asked for, in one version.

    Attributes:
        license_type: Its id. Example: `business-licence`.
        version: From 1.
        name: Its name for people.
        fields: Its fields.
        document_sensitive: Whether the document as a whole is sensitive.
        subject_kinds: Who can hold it.
    """

    license_type: str
    version: int
    name: str
    fields: tuple[LicenseTypeField, ...]
    document_sensitive: bool = False
    subject_kinds: frozenset[SubjectKind]

    def is_sensitive(self, item: "AskedItem") -> bool:
        """Whether an item of this type needs a confirmation of its own and step-up (6.3-05, 6.3-07)."""
        sensitive = {field.name for field in self.fields if field.sensitive}
        return (item.document and self.document_sensitive) or not sensitive.isdisjoint(item.field_names)

    def check_fields(self, item: "AskedItem") -> None:
        """It raises unless the type has every field of an item.

        Raises:
            LicenseTypeUnknownError: It has not.
        """
        known = {field.name for field in self.fields}
        for name in item.field_names:
            if name not in known:
                raise LicenseTypeUnknownError(f"{self.license_type}.{name}")

    def labels(self) -> dict[str, str]:
        """It gives the name of each field for people."""
        return {field.name: field.label for field in self.fields}


SUBJECT_LICENSE_TYPE: Final = LicenseType(
    license_type=SUBJECT_TYPE,
    version=1,
    name="码主体信息",
    fields=(
        LicenseTypeField(name=FieldName.NAME.value, label="姓名"),
        LicenseTypeField(name=FieldName.ID_NUMBER.value, label="公民身份号码", sensitive=True),
        LicenseTypeField(name=FieldName.PHONE.value, label="手机号码"),
        LicenseTypeField(name=FieldName.ENTITY_NAME.value, label="名称"),
        LicenseTypeField(name=FieldName.USCC.value, label="统一社会信用代码"),
    ),
    subject_kinds=frozenset({SubjectKind.PERSON, SubjectKind.LEGAL_ENTITY}),
)
"""Every node has this type; no operator registers it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedItem:
    """One licence type with what is asked of it, or allowed to be asked.

    Attributes:
        license_type: The type.
        field_names: Its fields.
        document: Whether the document itself.
    """

    license_type: str
    field_names: tuple[str, ...] = ()
    document: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StatutoryBasis:
    """Why a matter may be handled without consent (履行法定职责, N-35).

    Attributes:
        statute: The statute and its article.
        holder_untold: Whether the law forbids telling the holder.
    """

    statute: str
    holder_untold: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Matter:
    """What one application may ask for in one matter, in one version.

    Attributes:
        matter_code: Code of the matter.
        app_id: The application.
        version: From 1.
        name: Its name.
        purpose: What for, where a holder scans a code of the matter.
        handling_means: How data are handled, in that case.
        items: The scope.
        max_retention: Longest time that data may be kept.
        max_uses: Most uses of each item.
        max_period: Longest time after the decision that a grant may be used.
        subject_kinds: Who may be asked.
        statutory_basis: The basis for use without consent; None where consent is always needed.
        registered_at: When this version was registered.

    Raises:
        AuthorizationOutOfPolicyError: A limit is over what a node allows at all.
    """

    matter_code: str
    app_id: str
    version: int
    name: str
    purpose: str
    handling_means: str
    items: tuple[AskedItem, ...]
    max_retention: timedelta = timedelta()
    max_uses: int
    max_period: timedelta
    subject_kinds: frozenset[SubjectKind]
    statutory_basis: StatutoryBasis | None = None
    registered_at: datetime

    def __post_init__(self) -> None:
        if not 1 <= self.max_uses <= MAX_USES:
            raise AuthorizationOutOfPolicyError(field="max_uses", limit=f"1..{MAX_USES}")
        if not timedelta() < self.max_period <= MAX_PERIOD:
            raise AuthorizationOutOfPolicyError(field="max_period", limit=f"{MAX_PERIOD.days} d")

    def check_scope(self, asked: Iterable[AskedItem]) -> None:
        """It raises unless each item lies within the scope (6.3-04).

        Raises:
            ExcessiveScopeError: A type, field or document is not registered for the matter.
        """
        allowed = {item.license_type: item for item in self.items}
        for item in asked:
            scope = allowed.get(item.license_type)
            if scope is None:
                raise ExcessiveScopeError(matter_code=self.matter_code, license_type=item.license_type, field="")
            for name in item.field_names:
                if name not in scope.field_names:
                    raise ExcessiveScopeError(matter_code=self.matter_code, license_type=item.license_type, field=name)
            if item.document and not scope.document:
                raise ExcessiveScopeError(
                    matter_code=self.matter_code, license_type=item.license_type, field="document"
                )

    def check_limits(self, *, max_uses: int, period: timedelta, retention: timedelta) -> None:
        """It raises unless uses, period and retention are within what is registered.

        Raises:
            AuthorizationOutOfPolicyError: One is over.
        """
        if not 1 <= max_uses <= self.max_uses:
            raise AuthorizationOutOfPolicyError(field="max_uses", limit=str(self.max_uses))
        if not timedelta() < period <= self.max_period:
            raise AuthorizationOutOfPolicyError(field="period", limit=f"{self.max_period.total_seconds():.0f} s")
        if not timedelta() <= retention <= self.max_retention:
            raise AuthorizationOutOfPolicyError(field="retention", limit=f"{self.max_retention.total_seconds():.0f} s")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationKey:
    """The SM2 key to which licences are sealed for an application.

    Attributes:
        app_id: The application.
        key_id: Id of the key.
        public_key: Public point, 65 bytes.
        registered_at: When it was registered; the newest counts.
    """

    app_id: str
    key_id: str
    public_key: bytes
    registered_at: datetime


@dataclass(eq=False)
class ScopeNotRegisteredError(FactsError):
    """The matter is not registered for the application."""

    matter_code: str
    app_id: str
    says = "matter {matter_code} is not registered for application {app_id}; an operator registers it"


@dataclass(eq=False)
class ExcessiveScopeError(FactsError):
    """More is asked for than the matter needs. `field` is empty where the whole type is not registered."""

    matter_code: str
    license_type: str
    field: str

    def __str__(self) -> str:
        what = f"{self.license_type} {self.field}".rstrip()
        return f"matter {self.matter_code} does not need {what}; ask for less"


@dataclass(eq=False)
class AuthorizationOutOfPolicyError(FactsError):
    """Period, number of uses or retention is over the limit."""

    field: str
    limit: str
    says = "{field} is over the limit of {limit}"


@dataclass(eq=False)
class LicenseTypeUnknownError(FactsError):
    """The catalogue has no such licence type or field."""

    license_type: str
    says = "the catalogue has no licence type or field {license_type}"
