"""Why a licence file is not believed. One error for all of it: a caller refuses the file and records the fault."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NoReturn

from govcode_node.domain.errors import FactsError


class OfdFault(StrEnum):
    """The kinds of fault; each is a reason to deliver nothing."""

    NOT_OFD = "NOT_OFD"
    """The bytes are no OFD package, or one that two readers could read differently."""
    TOO_LARGE = "TOO_LARGE"
    """The package, one of its parts or their number is over a limit."""
    BAD_PATH = "BAD_PATH"
    """A name or a reference leads out of the package or is ambiguous."""
    BAD_XML = "BAD_XML"
    """A part is not well-formed, or uses what no licence needs, such as a document type."""
    NOT_SEALED = "NOT_SEALED"
    """There is no seal, or none that covers the whole document."""
    CONTENT_CHANGED = "CONTENT_CHANGED"
    """A part is missing, or is not what was sealed."""
    NOT_COVERED = "NOT_COVERED"
    """A part was added that no seal covers."""
    SEAL_MISMATCH = "SEAL_MISMATCH"
    """The seal belongs to another file, or the signer may not use it."""
    SEAL_BROKEN = "SEAL_BROKEN"
    """A signature of the seal is wrong, or its structure is."""
    SEAL_UNSUPPORTED = "SEAL_UNSUPPORTED"
    """The seal is of a kind that cannot be checked here."""
    SEAL_EXPIRED = "SEAL_EXPIRED"
    """The seal or a certificate of it is out of its time."""
    MAKER_UNTRUSTED = "MAKER_UNTRUSTED"
    """The maker of the seal is not among those trusted."""
    SIGNER_UNTRUSTED = "SIGNER_UNTRUSTED"
    """No trusted authority issued the signer's certificate."""
    REVOKED = "REVOKED"
    """The maker, the signer or the seal was revoked."""
    BAD_MARK = "BAD_MARK"
    """A mark of a copy is malformed, or belongs to another licence."""


@dataclass(eq=False)
class OfdRefusedError(FactsError):
    """A licence file is not believed.

    Attributes:
        fault: What kind of fault.
        detail: What was found, without content of the licence. Example: `Doc_0/Pages/Page_0/Content.xml was altered`.
    """

    fault: OfdFault
    detail: str
    says = "the licence file is refused ({fault}): {detail}"


def refuse(fault: OfdFault, detail: str) -> NoReturn:
    """It raises the refusal.

    Raises:
        OfdRefusedError: Always.
    """
    raise OfdRefusedError(fault, detail)
