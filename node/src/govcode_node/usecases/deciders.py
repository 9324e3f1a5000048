"""Who may act on an authorization (6.3-08): its subject, a guardian of the subject, or an agent with a mandate.

An application never acts by itself: behind each act stands a session, and behind the session a device that signs.
"""

from dataclasses import dataclass
from datetime import datetime

from govcode_node.domain.accounts import Account, HolderProofInvalidError, RelationKind, Session
from govcode_node.domain.authorizations import (
    Authorization,
    AuthorizationNotFoundError,
    NotOwnerError,
    SignedByHolder,
)
from govcode_node.domain.callers import Call
from govcode_node.domain.codes import SubjectKind
from govcode_node.domain.mandates import Mandate, MandateInvalidError
from govcode_node.ports.security import HolderProof, HolderStatement, HolderVerifier
from govcode_node.ports.stores import Database, Transaction
from govcode_node.usecases.holder_acts import check_statement
from govcode_node.usecases.sessions import Holder, holder_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Decider:
    """One who may act.

    Attributes:
        account: The one who acts.
        session: By which session.
        authorization: On what.
        relation_id: The guardianship by which; empty otherwise.
        mandate: The mandate by which; None otherwise.
    """

    account: Account
    session: Session
    authorization: Authorization
    relation_id: str = ""
    mandate: Mandate | None = None


def decider_of(
    tx: Transaction, call: Call, session_token: str, authorization_id: str, *, mandate_id: str = "", now: datetime
) -> Decider:
    """It returns who stands behind a session, if they may act on the authorization now.

    An agent who names no mandate acts by any that covers the request, which lets them read; to decide, the statement
    names the mandate.

    Raises:
        SessionInvalidError, SubjectSuspendedError: The session cannot be used.
        AuthorizationNotFoundError: There is no such authorization of a subject of this node.
        NotOwnerError: Somebody else's session.
        MandateInvalidError: The mandate does not carry the act.
    """
    holder = holder_of(tx, call, session_token, now=now)
    authorization = tx.authorizations.get(authorization_id)
    if authorization is None or authorization.account_id is None:
        raise AuthorizationNotFoundError(authorization_id)
    if authorization.request.holder_untold:
        raise AuthorizationNotFoundError(authorization_id)
    relation_id, mandate = "", None
    if mandate_id or authorization.account_id != holder.account.account_id:
        relation_id = _guardianship(tx, holder, authorization, now)
        if not relation_id:
            mandate = _mandate(tx, holder, authorization, mandate_id, now)
    return Decider(
        account=holder.account,
        session=holder.session,
        authorization=authorization,
        relation_id=relation_id,
        mandate=mandate,
    )


def _guardianship(tx: Transaction, holder: Holder, authorization: Authorization, now: datetime) -> str:
    if authorization.subject_kind is not SubjectKind.PERSON or authorization.account_id is None:
        return ""
    relations = tx.relations.between(presenter=holder.account.account_id, dependant=authorization.account_id)
    guardians = [
        relation.relation_id
        for relation in relations
        if relation.kind is RelationKind.GUARDIAN and relation.holds_at(now)
    ]
    return guardians[0] if guardians else ""


def _mandate(tx: Transaction, holder: Holder, authorization: Authorization, mandate_id: str, now: datetime) -> Mandate:
    if authorization.account_id is None or authorization.subject_kind is not SubjectKind.LEGAL_ENTITY:
        raise NotOwnerError(authorization.authorization_id)
    if mandate_id:
        named = tx.mandates.get(mandate_id)
        if named is None:
            raise MandateInvalidError("UNKNOWN")
        candidates = [named]
    else:
        held = tx.mandates.list_of(holder.account.account_id, limit=100)
        candidates = [mandate for mandate in held if mandate.entity_account_id == authorization.account_id]
    refusal: MandateInvalidError | None = None
    for mandate in candidates:
        try:
            mandate.check_covers(
                entity=authorization.account_id,
                agent=holder.account.account_id,
                matter_code=authorization.request.matter_code,
                license_types=frozenset(item.asked.license_type for item in authorization.request.items),
                now=now,
            )
        except MandateInvalidError as error:
            refusal = error
        else:
            return mandate
    raise refusal or NotOwnerError(authorization.authorization_id)


class HolderSignatures:
    """It checks what a holder's device signed for an act inside a session (N-30)."""

    def __init__(self, *, database: Database, verifier: HolderVerifier) -> None:
        """It finds the device by the session, and checks with the verifier."""
        self._database = database
        self._verifier = verifier

    async def checked(
        self, call: Call, *, act: str, biz_serial: str, session_token: str, proof: HolderProof, now: datetime
    ) -> tuple[Holder, HolderStatement, SignedByHolder]:
        """It returns who signed, the statement, and the signature as it is kept with the record.

        Args:
            call: The call.
            act: Name of the statement's message. Example: `DecideAuthorizationStatement`.
            biz_serial: Serial of the request.
            session_token: Token of the request.
            proof: The proof of the request.
            now: The clock here.

        Raises:
            SessionInvalidError, SubjectSuspendedError: The session cannot be used.
            HolderProofInvalidError: The session's device did not sign this act.
        """
        holder = await self._database.read(lambda tx: holder_of(tx, call, session_token, now=now))
        key = holder.account.device_public_key
        statement = await self._verifier.verify(proof, act=act, public_key=key)
        check_statement(statement, biz_serial=biz_serial, now=now, session_id=holder.session.session_id)
        signed = SignedByHolder(
            statement=proof.statement,
            device_key_id=proof.device_key_id,
            signature=proof.signature,
            device_public_key=key,
        )
        return holder, statement, signed


def check_same_device(account: Account, signed: SignedByHolder) -> None:
    """It raises unless the account is still bound to the device that signed; asked in the unit that writes.

    Raises:
        HolderProofInvalidError: It has moved to another device since.
    """
    if account.device_key_id != signed.device_key_id:
        raise HolderProofInvalidError("KEY")
