"""Electronic licences (电子证照): what a licence system says, what a use is, and how a delivery is cut and sealed."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Final

from govcode_node.domain.accounts import AccountId
from govcode_node.domain.authorizations import DecidedItem, LegalBasis, UseState
from govcode_node.domain.errors import FactsError

CHUNK_SIZE: Final = 256 * 1024
"""Bytes of the document in one chunk before sealing; the last chunk is shorter."""

MAX_DOCUMENT: Final = 64 * 1024 * 1024
"""Largest document that is delivered, in bytes."""

CHUNK_TAG: Final = b"govcode-license-chunk-v1"


def chunk_nonce(chunk_no: int) -> bytes:
    """It gives the nonce of a chunk; each delivery has a content key of its own, so numbers do not repeat."""
    return chunk_no.to_bytes(12, "big")


def chunk_aad(use_id: str, chunk_no: int, chunk_count: int) -> bytes:
    """It gives the additional data of a chunk: whose it is, its place, and how many there are."""
    return CHUNK_TAG + use_id.encode() + chunk_no.to_bytes(4, "big") + chunk_count.to_bytes(4, "big")


def chunk_count(document_size: int) -> int:
    """It counts the chunks of a document."""
    return -(-document_size // CHUNK_SIZE)


class LicenseStatus(IntEnum):
    """What a licence system says of a licence. The numbers are those of the contract."""

    VALID = 1
    EXPIRED = 2
    REVOKED = 3
    SUSPENDED = 4


class LocatorSource(StrEnum):
    """Where number and name for a licence query came from (N-21)."""

    STORE = "STORE"
    IDENTITY_SERVICE = "IDENTITY_SERVICE"
    CASE = "CASE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Locator:
    """Number and name by which a licence system finds a subject's licences: for one act, in memory only (N-21).

    Attributes:
        name: Name of the person or entity.
        number: Citizen id or unified social credit code.
        source: Where the two came from.
    """

    name: str = field(repr=False)
    number: str = field(repr=False)
    source: LocatorSource


@dataclass(frozen=True, slots=True, kw_only=True)
class LicensePlace:
    """Where a licence is held (N-22).

    Attributes:
        license_type: Its type.
        license_node: Node of the region that holds it.
        issuer_name: Its issuer.
        masked_number: The licence number, masked.
        status: What the licence system says of it.
    """

    license_type: str
    license_node: str
    issuer_name: str
    masked_number: str
    status: LicenseStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenseDocument:
    """The document of a licence, before it is read.

    Attributes:
        format: `OFD` or `PDF`.
        size: Bytes.
        digest: SM3 of the document, as the licence record states it, 32 bytes.
    """

    format: str
    size: int
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class License:
    """A licence as a licence system hands it to its node, with its issuer's seal already checked by the adapter.

    Attributes:
        license_id: Id at the licence system.
        license_type: Its type.
        status: What the licence system says of it now.
        issuer_name: Its issuer.
        holder_name: Name of its holder.
        holder_number: Number of its holder.
        fields: All its fields, by name; more than is granted may be here.
        document: Its document; None without one.
    """

    license_id: str
    license_type: str
    status: LicenseStatus
    issuer_name: str
    holder_name: str = field(repr=False)
    holder_number: str = field(repr=False)
    fields: Mapping[str, str] = field(repr=False)
    document: LicenseDocument | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenseContent:
    """What the application opens with its own key.

    Attributes:
        license_id: Id at the licence system.
        license_type: Its type.
        status: Its state when it was fetched.
        issuer_name: Its issuer.
        fields: The granted fields.
        document: The document; None without one.
        content_key: SM4 key of the chunks; empty without a document.
        mark: What the copy is for (加注).
        fetched_at: When it was fetched.
    """

    license_id: str
    license_type: str
    status: LicenseStatus
    issuer_name: str
    fields: Mapping[str, str] = field(repr=False)
    document: LicenseDocument | None
    content_key: bytes = field(repr=False)
    mark: str
    fetched_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenseUseRequest:
    """One node asks the next for a use; the payload of LICENSE_USE evidence.

    Attributes:
        authorization_id: The authorization.
        use_id: The use; empty in the visited node's request.
        from_node: Who asks.
        to_node: Who is asked.
        app_id: The application.
        biz_serial: Serial of the act.
        matter_code: The matter for which it is used.
        item_no: The item.
        recipient_key: Public point of the application's encryption key.
        item: The item as granted; None in the visited node's request.
        sealed_locator: Locator sealed for the node that holds the licence; empty in the visited node's request.
        requested_at: When it was asked.
        mark: Text with which a copy is marked; empty in the visited node's request.
        from_chunk: Chunk to go on from.
        case_locator: Locator of the relying party's own case, sealed for the home node; usually empty.
    """

    authorization_id: str
    use_id: str = ""
    from_node: str
    to_node: str
    app_id: str
    biz_serial: str
    matter_code: str
    item_no: int
    recipient_key: bytes
    item: DecidedItem | None = None
    sealed_locator: bytes = b""
    requested_at: datetime
    mark: str = ""
    from_chunk: int = 0
    case_locator: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenseDelivery:
    """What was delivered for which use; the payload of LICENSE_DELIVERY evidence. Digests of sealed bytes, no content.

    Attributes:
        use_id: The use.
        authorization_id: The authorization.
        license_node: The node that delivered.
        request_digest: SM3 of the payload of the home node's request.
        field_names: Names of the delivered fields.
        document: Whether the document was delivered.
        chunks_digest: SM3 over all sealed chunks in order; empty without a document.
        chunk_count: How many chunks.
        status: What the licence system said.
        fetched_at: When it was fetched.
        license_ref: Tells equal licences, names none; 16 bytes.
    """

    use_id: str
    authorization_id: str
    license_node: str
    request_digest: bytes
    field_names: tuple[str, ...]
    document: bool
    chunks_digest: bytes
    chunk_count: int
    status: LicenseStatus
    fetched_at: datetime
    license_ref: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryHeader:
    """The first piece of a delivery.

    Attributes:
        use_id: The use.
        sealed_content: A `LicenseContent`, sealed for the application.
        chunk_count: How many chunks the document has.
        from_chunk: Chunk from which this answer goes on.
        remaining_uses: Uses of the item that are left.
        replayed: Whether the use was begun by an earlier call.
    """

    use_id: str
    sealed_content: bytes
    chunk_count: int
    from_chunk: int = 0
    remaining_uses: int = 0
    replayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryChunk:
    """One sealed chunk of the document."""

    chunk_no: int
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryEnd:
    """The last piece: evidence of a `LicenseDelivery`. Without it a delivery is not whole."""

    evidence: bytes


DeliveryPiece = DeliveryHeader | DeliveryChunk | DeliveryEnd
Delivery = AsyncIterator[DeliveryPiece]


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenseUse:
    """A use as a node keeps it: at the home node the count, at the others the record of the leg (6.3-12, -17).

    Attributes:
        use_id: Opaque id, the same at all nodes.
        authorization_id: The authorization.
        item_no: The item.
        caller: Under whose name the serial is kept: `app:<id>`, `node:<node>/<app id>` or `licence:<name>`.
        biz_serial: Serial of the act; unique for caller and authorization.
        account_id: The subject; None at a node that is not its home.
        license_type: The licence type.
        relying_party_name: The recipient.
        matter_code: The matter.
        license_node: Node of the region that delivers; the licence system's node for a reported use.
        legal_basis: Why the data were used.
        state: What came of it.
        begun_at: When it began.
        ended_at: When it ended.
        request: Evidence of the LicenseUseRequest by which it was asked for; empty for a reported use.
        delivery: Evidence of the LicenseDelivery; empty unless delivered through nodes.
    """

    use_id: str
    authorization_id: str
    item_no: int
    caller: str
    biz_serial: str
    account_id: AccountId | None
    license_type: str
    relying_party_name: str
    matter_code: str
    license_node: str
    legal_basis: LegalBasis
    state: UseState
    begun_at: datetime
    ended_at: datetime | None = None
    request: bytes = b""
    delivery: bytes = b""


@dataclass(eq=False)
class EncryptionKeyMissingError(FactsError):
    """No encryption key is registered for the application."""

    app_id: str
    says = "no encryption key is registered for application {app_id}; an operator registers it"


@dataclass(eq=False)
class LocatorRequiredError(FactsError):
    """The home node holds neither number nor name of the subject (N-21)."""

    says = "number and name of the subject are not held here; give those of the own case, or have the holder identify"


@dataclass(eq=False)
class LicenseNotFoundError(FactsError):
    """The licence system of that place has no such licence of the subject."""

    license_type: str
    node_id: str
    says = "node {node_id} finds no {license_type} of the subject"


@dataclass(eq=False)
class LicenseNotValidError(FactsError):
    """The licence is not in force."""

    status: str
    says = "the licence is {status}"


@dataclass(eq=False)
class LicenseSealInvalidError(FactsError):
    """The issuer's seal does not hold; nothing was delivered. `why` is a word. Example: `SIGNATURE`."""

    why: str
    says = "the issuer's seal of the licence does not hold: {why}"


@dataclass(eq=False)
class HolderMismatchError(FactsError):
    """The licence belongs to somebody else than the subject; nothing was delivered (N-26)."""

    says = "the licence does not belong to the subject"


@dataclass(eq=False)
class LicenseServiceUnavailableError(FactsError):
    """The licence system does not answer, or asks to come later."""

    node_id: str
    retry_after_seconds: float = 5.0
    says = "the licence system of node {node_id} does not answer; wait {retry_after_seconds:.0f} s"


@dataclass(eq=False)
class LicenseServiceQuotaError(FactsError):
    """The licence system's quota is used up."""

    node_id: str
    retry_after_seconds: float = 3600.0
    says = "the quota of the licence system of node {node_id} is used up"
