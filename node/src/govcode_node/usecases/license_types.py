"""The catalogue's entries for what is asked: every licence type of a request must be known, with all its fields."""

from collections.abc import Iterable

from govcode_node.domain.catalogue import (
    SUBJECT_LICENSE_TYPE,
    SUBJECT_TYPE,
    AskedItem,
    LicenseType,
    LicenseTypeUnknownError,
)
from govcode_node.ports.stores import Transaction


def types_of(tx: Transaction, asked: Iterable[AskedItem]) -> dict[str, LicenseType]:
    """It returns the newest entry of each type that is asked for, by type.

    Raises:
        LicenseTypeUnknownError: A type or field is not in the catalogue.
    """
    found: dict[str, LicenseType] = {SUBJECT_TYPE: SUBJECT_LICENSE_TYPE}
    for item in asked:
        if item.license_type not in found:
            entry = tx.catalogue.license_type(item.license_type)
            if entry is None:
                raise LicenseTypeUnknownError(item.license_type)
            found[item.license_type] = entry
        found[item.license_type].check_fields(item)
    return found
