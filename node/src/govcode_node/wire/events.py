"""Events for the back ends of applications."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from govcode.code.v1 import code_application_service_pb2 as applicationv1
from govcode.code.v1 import event_pb2 as eventv1

from govcode_node.domain.errors import InvalidFieldError
from govcode_node.domain.events import (
    AccountClosed,
    AuthorizationChanged,
    AuthorizationRequested,
    CodeScanned,
    CodeStateChanged,
    Event,
    LicenseUsed,
    SessionEnded,
)
from govcode_node.domain.outcomes import Outcome
from govcode_node.usecases.event_feed import EventPage, cursor_of
from govcode_node.wire import checks
from govcode_node.wire.times import moment_to_proto, span_from_proto
from govcode_node.wire.verdicts import OUTCOMES
from govcode_node.wire.vocabulary import AUTHORIZATION_STATES, LEGAL_BASES, SCENE_CLASSES, USE_STATES

MAX_WAIT: Final = timedelta(seconds=30)
MAX_EVENTS: Final = 500
DEFAULT_EVENTS: Final = 100

_OUTCOMES = {outcome.value: outcome for outcome in Outcome}


def event_to_proto(event: Event, *, cursor: str) -> eventv1.Event:
    """It gives one event with the cursor that goes on after it."""
    message = eventv1.Event(
        event_id=event.event_id,
        cursor=cursor,
        create_time=moment_to_proto(event.happened_at),
        account_id=event.account_id,
    )
    match event.kind:
        case CodeScanned() as scanned:
            message.code_scanned.CopyFrom(_scanned_to_proto(scanned))
        case CodeStateChanged() as moved:
            message.code_state_changed.code_id = moved.code_id
            message.code_state_changed.state = moved.state.value
        case SessionEnded() as ended:
            message.session_ended.session_id = ended.session_id
            message.session_ended.reason = ended.reason
        case AccountClosed():
            message.account_closed.SetInParent()
        case AuthorizationRequested() as requested:
            message.authorization_requested.CopyFrom(_requested_to_proto(requested))
        case AuthorizationChanged() as changed:
            message.authorization_changed.CopyFrom(_changed_to_proto(changed))
        case LicenseUsed() as used:
            message.license_used.CopyFrom(_used_to_proto(used))
    return message


def heartbeat_to_proto(*, cursor: str) -> eventv1.Event:
    """It gives a sign of life, which has no id and whose cursor is where the stream stands."""
    return eventv1.Event(cursor=cursor, heartbeat=eventv1.Heartbeat())


def _scanned_to_proto(scanned: CodeScanned) -> eventv1.CodeScanned:
    return eventv1.CodeScanned(
        code_id=scanned.code_id,
        scan_id=scanned.scan_id,
        outcome=OUTCOMES.to_proto(_OUTCOMES.get(scanned.outcome)),
        relying_party_name=scanned.relying_party_name,
        place=scanned.place,
        scene_class=SCENE_CLASSES.to_proto(scanned.scene_class),
        visited_node_id=scanned.visited_node,
    )


def _requested_to_proto(requested: AuthorizationRequested) -> eventv1.AuthorizationRequested:
    return eventv1.AuthorizationRequested(
        authorization_id=requested.authorization_id,
        relying_party_name=requested.relying_party_name,
        matter_code=requested.matter_code,
        decide_before_time=moment_to_proto(requested.decide_before),
    )


def _changed_to_proto(changed: AuthorizationChanged) -> eventv1.AuthorizationChanged:
    return eventv1.AuthorizationChanged(
        authorization_id=changed.authorization_id,
        state=AUTHORIZATION_STATES.to_proto(changed.state),
        legal_basis=LEGAL_BASES.to_proto(changed.legal_basis),
    )


def _used_to_proto(used: LicenseUsed) -> eventv1.LicenseUsed:
    return eventv1.LicenseUsed(
        authorization_id=used.authorization_id,
        use_id=used.use_id,
        license_type=used.license_type,
        relying_party_name=used.relying_party_name,
        state=USE_STATES.to_proto(used.state),
    )


def event_cursor_from_proto(value: str) -> str:
    """It reads a cursor, which may be empty.

    Raises:
        InvalidFieldError: It is longer than any that this node makes.
    """
    return checks.page_token(value, "cursor")


def event_wait_from_proto(request: applicationv1.ListEventsRequest) -> timedelta:
    """It reads how long to wait for the first event; not at all where unset.

    Raises:
        InvalidFieldError: It is longer than 30 s, or no span of time.
    """
    wait = span_from_proto(request.wait, "wait")
    if wait > MAX_WAIT:
        raise InvalidFieldError("wait", "is longer than 30 s")
    return wait


def event_page_to_proto(page: EventPage) -> applicationv1.ListEventsResponse:
    """It gives one page of events."""
    events = [event_to_proto(event, cursor=cursor_of(event.position)) for event in page.events]
    return applicationv1.ListEventsResponse(events=events, cursor=page.cursor)


def event_messages_to_proto(page: EventPage) -> Iterator[applicationv1.WatchEventsResponse]:
    """It gives the messages of a stream for one page: its events, or a heartbeat where there are none."""
    if not page.events:
        yield applicationv1.WatchEventsResponse(event=heartbeat_to_proto(cursor=page.cursor))
    for event in page.events:
        yield applicationv1.WatchEventsResponse(event=event_to_proto(event, cursor=cursor_of(event.position)))
