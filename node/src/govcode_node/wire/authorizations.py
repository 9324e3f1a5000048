"""Authorizations as their holders and relying parties see them; the evidence of it all; mandates."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from govcode.authorization.v1 import authorization_pb2 as authorizationv1
from govcode.authorization.v1 import authorization_service_pb2 as servicev1

from govcode_node.domain.authorizations import Authorization, AuthorizationState
from govcode_node.domain.catalogue import LicenseType
from govcode_node.domain.mandates import Mandate
from govcode_node.usecases.authorization_reading import ExportedAuthorization, HolderView, UsePage
from govcode_node.usecases.deciding import BegunStepUp
from govcode_node.usecases.grant_checks import Introspection
from govcode_node.wire.authorization_items import (
    granted_item_to_proto,
    requested_item_to_proto,
    statutory_duty_to_proto,
)
from govcode_node.wire.evidence import kept_evidence_to_proto
from govcode_node.wire.licenses import license_use_to_proto
from govcode_node.wire.times import moment_to_proto, optional_moment_to_proto, span_to_proto
from govcode_node.wire.vocabulary import AUTHORIZATION_ENTRIES, AUTHORIZATION_STATES, LEGAL_BASES, SUBJECT_KINDS

_UNDECIDED: Final = frozenset({AuthorizationState.PENDING, AuthorizationState.TIMED_OUT})
_NO_TYPES: Final[Mapping[str, LicenseType]] = {}


def authorization_to_holder(
    authorization: Authorization, *, now: datetime, types: Mapping[str, LicenseType] = _NO_TYPES
) -> authorizationv1.Authorization:
    """It gives an authorization to its holder: all that is asked, whatever was decided.

    Args:
        authorization: The authorization.
        now: The moment, since time alone changes its state.
        types: The catalogue's entry of each licence type in it, for names and sensitivity; without it an item is called
            sensitive once it was decided as such, and has no name.
    """
    message = _message(authorization, now)
    decided = {item.item_no: item for item in authorization.items}
    for item in authorization.request.items:
        shown = requested_item_to_proto(item)
        kind = types.get(item.asked.license_type)
        word = decided.get(item.item_no)
        shown.sensitive = word.sensitive if word is not None else kind is not None and kind.is_sensitive(item.asked)
        shown.granted = word is not None and word.granted
        shown.license_type_name = "" if kind is None else kind.name
        message.items.append(shown)
    return message


def authorization_to_party(authorization: Authorization, *, now: datetime) -> authorizationv1.Authorization:
    """It gives an authorization to the application that asked: what is asked, and once decided what is granted.

    What the holder refused is not told item by item, nor why (6.3-10).
    """
    message = _message(authorization, now)
    if authorization.state_at(now) in _UNDECIDED:
        message.items.extend(requested_item_to_proto(item) for item in authorization.request.items)
    else:
        message.items.extend(granted_item_to_proto(item) for item in authorization.items if item.granted)
    return message


def _message(authorization: Authorization, now: datetime) -> authorizationv1.Authorization:
    request, kind = authorization.request, authorization.subject_kind
    return authorizationv1.Authorization(
        authorization_id=authorization.authorization_id,
        state=AUTHORIZATION_STATES.to_proto(authorization.state_at(now)),
        legal_basis=LEGAL_BASES.to_proto(request.legal_basis),
        entry=AUTHORIZATION_ENTRIES.to_proto(request.entry),
        relying_party_name=request.relying_party_name,
        relying_party_uscc=request.relying_party_uscc,
        app_id=request.app_id,
        matter_code=request.matter_code,
        matter_name=request.matter_name,
        purpose=request.purpose,
        max_uses=request.max_uses,
        remaining_uses=authorization.remaining_uses(),
        request_time=moment_to_proto(request.requested_at),
        decide_before_time=moment_to_proto(authorization.decide_before),
        decide_time=optional_moment_to_proto(authorization.decided_at),
        end_time=optional_moment_to_proto(authorization.ends_at),
        home_node_id=request.home_node,
        visited_node_id=request.visited_node,
        withdraw_time=optional_moment_to_proto(authorization.withdrawn_at),
        statutory_duty=statutory_duty_to_proto(request.statutory_duty),
        subject_kind=SUBJECT_KINDS.to_proto(kind),
    )


def holder_view_to_proto(view: HolderView, *, now: datetime) -> servicev1.GetAuthorizationResponse:
    """It gives an authorization with the text that its holder is shown."""
    request = view.authorization.request
    return servicev1.GetAuthorizationResponse(
        authorization=authorization_to_holder(view.authorization, now=now, types=view.types),
        page=authorizationv1.ConsentPage(
            notice_version=view.page.version,
            notice_text=view.page.text,
            notice_hash=view.page.text_hash,
            handling_means=request.handling_means,
            retention=span_to_proto(request.retention),
            contact=request.relying_party_contact,
        ),
    )


def party_view_to_proto(authorization: Authorization, *, now: datetime) -> servicev1.GetAuthorizationResponse:
    """It gives an authorization with its grant to the application that asked."""
    return servicev1.GetAuthorizationResponse(
        authorization=authorization_to_party(authorization, now=now),
        grant=kept_evidence_to_proto(authorization.grant),
    )


def begun_step_up_to_proto(step_up: BegunStepUp) -> servicev1.BeginStepUpResponse:
    """It gives what the provider's device kit needs, and what the check is bound to."""
    begun = step_up.begun
    return servicev1.BeginStepUpResponse(
        identification_id=begun.identification_id,
        provider=begun.provider,
        challenge=begun.challenge,
        expire_time=moment_to_proto(begun.expires_at),
        step_up_digest=step_up.digest,
    )


def use_page_to_proto(page: UsePage) -> servicev1.ListLicenseUsesResponse:
    """It gives one page of uses."""
    return servicev1.ListLicenseUsesResponse(
        uses=[license_use_to_proto(use) for use in page.uses], next_page_token=page.next_page_token
    )


def exported_to_proto(exported: ExportedAuthorization) -> servicev1.ExportAuthorizationResponse:
    """It gives all evidence of an authorization, each piece as it was signed."""
    return servicev1.ExportAuthorizationResponse(
        consent_request=kept_evidence_to_proto(exported.consent_request),
        consent_record=kept_evidence_to_proto(exported.consent_record),
        grant=kept_evidence_to_proto(exported.grant),
        withdrawal=kept_evidence_to_proto(exported.withdrawal),
        use_requests=[piece for use in exported.use_requests if (piece := kept_evidence_to_proto(use)) is not None],
        deliveries=[piece for one in exported.deliveries if (piece := kept_evidence_to_proto(one)) is not None],
        trust_bundle=kept_evidence_to_proto(exported.trust_bundle),
    )


def introspection_to_proto(found: Introspection) -> servicev1.IntrospectGrantResponse:
    """It tells whether a grant may be used; of one that may not, nothing but where it stands."""
    if not found.active:
        return servicev1.IntrospectGrantResponse(state=AUTHORIZATION_STATES.to_proto(found.state))
    return servicev1.IntrospectGrantResponse(
        active=True,
        state=AUTHORIZATION_STATES.to_proto(found.state),
        items=[granted_item_to_proto(item) for item in found.items if item.granted],
        remaining_uses=found.remaining_uses,
        matter_code=found.matter_code,
        end_time=optional_moment_to_proto(found.ends_at),
    )


def mandate_to_proto(mandate: Mandate) -> authorizationv1.Mandate:
    """It gives a mandate; who gave it stays here."""
    return authorizationv1.Mandate(
        mandate_id=mandate.mandate_id,
        entity_account_id=mandate.entity_account_id,
        agent_account_id=mandate.agent_account_id,
        matter_codes=mandate.matter_codes,
        license_types=mandate.license_types,
        start_time=moment_to_proto(mandate.starts_at),
        end_time=moment_to_proto(mandate.ends_at),
        cancel_time=optional_moment_to_proto(mandate.cancelled_at),
    )
