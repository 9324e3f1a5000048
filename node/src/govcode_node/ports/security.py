"""Keys and evidence, as ports. Keys never leave their provider: a caller names a purpose and hands over bytes."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from govcode_node.domain.authorizations import (
    AuthorizationAnswer,
    AuthorizationQuestion,
    ConsentRecord,
    ConsentRequest,
    Grant,
    Withdrawal,
)
from govcode_node.domain.disclosure import DisclosedField
from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.domain.licenses import LicenseContent, LicenseDelivery, LicenseUseRequest, Locator
from govcode_node.domain.nodes import NodeRegistration, StatusSummary
from govcode_node.domain.recognition import RecognizeAnswer, RecognizeRequest, RevocationList
from govcode_node.domain.routes import TrustBundle
from govcode_node.domain.scans import ScanAnswer

Statement = (
    ScanAnswer
    | RecognizeRequest
    | RecognizeAnswer
    | TrustBundle
    | NodeRegistration
    | StatusSummary
    | RevocationList
    | ConsentRequest
    | ConsentRecord
    | Grant
    | Withdrawal
    | AuthorizationQuestion
    | AuthorizationAnswer
    | LicenseUseRequest
    | LicenseDelivery
)
"""What a node can state: each is the payload of one purpose of evidence."""

A = TypeVar("A")
S = TypeVar("S", bound=Statement)


class CodeSealer(Protocol):
    """It seals codes and checks the seals of this node's own codes."""

    def active_mac_key_no(self, static: bool, shard: int) -> int:
        """It names the MAC key for a new code; the shard spreads codes over a cohort of keys.

        Raises:
            KeyUnavailableError: No key may seal now.
        """
        ...

    def mac_code(self, key_no: int, data: bytes, static: bool) -> bytes:
        """It makes the 16-byte seal of the MAC profile.

        Raises:
            KeyStateError: The key may not seal now.
            KeyExhaustedError: The key has sealed as many codes as it may.
        """
        ...

    def check_code_mac(self, key_no: int, data: bytes, mac: bytes, *, static: bool) -> None:
        """It raises unless the seal is right, compared in constant time.

        Raises:
            UnknownKeyError: There is no such key.
            KeyStateError: Codes under this key are not to be believed.
            InvalidMacError: The seal is wrong.
        """
        ...

    def active_seal_key_no(self) -> int:
        """It names the key for a new signed code.

        Raises:
            KeyUnavailableError: No key may sign now.
        """
        ...

    async def sign_code(self, data: bytes, *, key_no: int | None = None) -> tuple[int, bytes]:
        """It makes the 64-byte seal of the signed profile under the key named in the data.

        Raises:
            KeyUnavailableError: The key does not work.
            KeyStateError: The key may not sign now.
        """
        ...

    def seal_public(self, key_no: int) -> bytes:
        """It gives the public point that checks this node's signed codes with that number.

        Raises:
            UnknownKeyError: There is no such key.
            KeyStateError: Codes under this key are not to be believed.
        """
        ...

    async def verify_with_public(self, point: bytes, signature: bytes, data: bytes) -> None:
        """It raises unless a signature is right under a public point.

        Raises:
            InvalidSignatureError: It is not.
        """
        ...


class DataKeys(Protocol):
    """Pseudonyms, blind indexes, random bytes, and the sealing of fields. AAD says where the bytes belong."""

    def pseudonym(self, account_id: str, organisation_uscc: str) -> str:
        """It gives the subject's pairwise id for the organisation with that USCC (7.5-03)."""
        ...

    def blind_index(self, kind: str, value: str) -> bytes:
        """It gives the look-up value of a number, 16 bytes, from which the number cannot be found."""
        ...

    def seal_field(self, plaintext: bytes, aad: bytes) -> bytes:
        """It seals personal fields for storage."""
        ...

    def open_field(self, blob: bytes, aad: bytes) -> bytes:
        """It opens sealed fields.

        Raises:
            SealBrokenError: The bytes were changed, or belong elsewhere.
        """
        ...

    def seal_record(self, plaintext: bytes, aad: bytes) -> bytes:
        """It seals an answer that is kept for repetitions."""
        ...

    def open_record(self, blob: bytes, aad: bytes) -> bytes:
        """It opens a sealed answer.

        Raises:
            SealBrokenError: The bytes were changed, or belong elsewhere.
        """
        ...

    async def seal_to_public(self, point: bytes, plaintext: bytes, aad: bytes) -> bytes:
        """It seals bytes for the holder of an SM2 key."""
        ...

    async def open_for_node(self, blob: bytes, aad: bytes) -> bytes:
        """It opens bytes that were sealed for this node's encryption key.

        Raises:
            SealBrokenError: They were changed, or belong elsewhere.
            UnknownKeyError: They were sealed for somebody else.
        """
        ...

    def random_bytes(self, size: int) -> bytes:
        """It gives random bytes from the approved source.

        Raises:
            RandomSourceError: The source does not work.
        """
        ...


class FieldsCodec(Protocol):
    """It turns disclosed fields into the bytes that are sealed for another node, and back."""

    def dump(self, fields: tuple[DisclosedField, ...]) -> bytes:
        """It gives the bytes."""
        ...

    def load(self, data: bytes) -> tuple[DisclosedField, ...]:
        """It reads the fields; those that it does not know are left out.

        Raises:
            PeerAnswerRefusedError: The bytes are no fields.
        """
        ...


class LicenseCodec(Protocol):
    """It turns what is sealed for one reader into the bytes that are sealed, and locators back."""

    def dump_content(self, content: LicenseContent) -> bytes:
        """It gives the bytes of what an application opens."""
        ...

    def dump_locator(self, locator: Locator) -> bytes:
        """It gives the bytes of a locator."""
        ...

    def load_locator(self, data: bytes) -> Locator:
        """It reads a locator.

        Raises:
            EvidenceRefusedError: The bytes are no locator.
        """
        ...


class AnswerCodec(Protocol):
    """It turns answers of acts (frozen dataclasses of the domain) into bytes and back, to be remembered."""

    def dump(self, answer: object) -> bytes:
        """It gives the bytes of an answer."""
        ...

    def load(self, kind: type[A], data: bytes) -> A:
        """It reads an answer of that kind.

        Raises:
            ValueError: The bytes are no such answer.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadEvidence(Generic[S]):
    """Evidence whose proof was checked, and the statement in it.

    Attributes:
        statement: What was stated.
        payload: The bytes that were signed as the payload.
        node_id: Who signed.
        key_id: With which key.
        signed_at: When.
    """

    statement: S
    payload: bytes
    node_id: str
    key_id: str
    signed_at: datetime


class Attestor(Protocol):
    """It turns statements of this node into evidence."""

    def payload_of(self, statement: Statement) -> bytes:
        """It gives the bytes of a statement, to be kept or compared."""
        ...

    def payload_in(self, evidence: bytes) -> bytes:
        """It gives the signed payload of kept evidence, to the byte, also of another node's.

        Raises:
            EvidenceRefusedError: The bytes are no evidence.
        """
        ...

    async def attest(self, purpose: EvidencePurpose, statement: Statement) -> bytes:
        """It signs a statement and returns the evidence as bytes to store and send.

        Raises:
            KeyUnavailableError: The signing key does not work.
            OverloadedError: Too many statements wait.
        """
        ...

    async def attest_payload(self, purpose: EvidencePurpose, kind: type[Statement], payload: bytes) -> bytes:
        """It signs the bytes of a statement that was made before."""
        ...

    def statement_of(self, kind: type[S], payload: bytes) -> S:
        """It reads a statement of this node from its own stored bytes."""
        ...


class EvidenceReader(Protocol):
    """It checks other nodes' evidence against the trust bundle; nothing is parsed before its proof is checked."""

    async def read(
        self, evidence: bytes, *, purpose: EvidencePurpose, kind: type[S], signer: str | None = None
    ) -> ReadEvidence[S]:
        """It checks evidence and returns the statement.

        Args:
            evidence: The bytes as received.
            purpose: What it must have been signed for.
            kind: What it must state.
            signer: The node that must have signed; any trusted node where None.

        Raises:
            EvidenceRefusedError: The proof, the signer or the kind is wrong.
        """
        ...

    async def read_bundle(self, evidence: bytes) -> ReadEvidence[TrustBundle]:
        """It checks a trust bundle against the hub's pinned keys.

        Raises:
            EvidenceRefusedError: It is not signed by the hub.
            BundleConflictError: It contradicts itself.
        """
        ...

    async def read_registration(self, evidence: bytes) -> ReadEvidence[NodeRegistration]:
        """It checks a registration against the SIGN key that stands in it: proof that the node has the key.

        Raises:
            EvidenceRefusedError: The proof is wrong.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class HolderProof:
    """The holder's signature over a statement, as received."""

    statement: bytes
    device_key_id: str
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemDecision:
    """The holder's word on one item, as signed.

    Attributes:
        item_no: The item.
        granted: Whether it is granted.
        sensitive_confirmed: Whether this very item was confirmed.
        license_node: Place that the holder picked; empty for the only one known.
    """

    item_no: int
    granted: bool
    sensitive_confirmed: bool = False
    license_node: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HolderStatement:
    """What a holder's device signed; fields that a statement does not have are empty.

    Attributes:
        biz_serial: Serial of the act.
        signed_at: When the device signed.
        identification_id: The identification, for acts that need one.
        device_public_key: The new device's public point, where the act binds one.
        terms_version: Terms agreed to.
        session_id: The session.
        ticket: The ticket.
        nonce: The ticket's nonce.
        device_key_id: Id of the key that signed.
        authorization_id: The authorization.
        notice_version: Version of the text that was shown.
        notice_hash: SM3 of that text.
        decisions: The holder's word on each item.
        step_up_digest: What the stronger identity check was bound to.
        mandate_id: The mandate that is used or cancelled.
        agent_account_id: The agent of a new mandate.
        matter_codes: Matters of a new mandate.
        license_types: Licence types of a new mandate.
        starts_at: Begin of a new mandate.
        ends_at: End of a new mandate.
    """

    biz_serial: str
    signed_at: datetime
    identification_id: str = ""
    device_public_key: bytes = b""
    terms_version: str = ""
    session_id: str = ""
    ticket: str = field(default="", repr=False)
    nonce: bytes = b""
    device_key_id: str = ""
    authorization_id: str = ""
    notice_version: str = ""
    notice_hash: bytes = b""
    decisions: tuple[ItemDecision, ...] = ()
    step_up_digest: bytes = b""
    mandate_id: str = ""
    agent_account_id: str = ""
    matter_codes: tuple[str, ...] = ()
    license_types: tuple[str, ...] = ()
    starts_at: datetime | None = None
    ends_at: datetime | None = None


class HolderVerifier(Protocol):
    """It checks holders' proofs."""

    async def verify(self, proof: HolderProof, *, act: str, public_key: bytes | None) -> HolderStatement:
        """It checks the signature and returns the statement; facts are taken from that alone.

        Args:
            proof: As received.
            act: Name of the statement's message, without its package. Example: `OpenAccountStatement`.
            public_key: The key that must have signed; None for acts whose statement brings the key.

        Raises:
            HolderProofInvalidError: The proof does not prove it.
        """
        ...
