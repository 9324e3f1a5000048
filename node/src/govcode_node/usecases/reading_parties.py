"""Who reads a code: the application, its organisation, its device and the scene, checked in the unit of the scan.

The check is inside the unit on purpose: a registration that an operator suspends stops the next scan, at once.
"""

from dataclasses import dataclass
from datetime import datetime

from govcode_node.domain.callers import AppDisabledError, AppUnknownError, Call, DeviceDisabledError, DeviceUnknownError
from govcode_node.domain.identities import CallerClass
from govcode_node.domain.parties import Application, ApplicationKind, RegistrationState, RelyingParty, Scanner
from govcode_node.domain.scenes import Scene, SceneNotAllowedError, SceneUnknownError
from govcode_node.ports.stores import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingParty:
    """A relying party that may scan in a scene.

    Attributes:
        application: Its application.
        organisation: The organisation that runs it.
        scene: The scene, in the version in force.
        device_id: The reading device; empty where none was named.
        place: Where the device stands; empty without one.
    """

    application: Application
    organisation: RelyingParty
    scene: Scene
    device_id: str
    place: str

    @property
    def caller(self) -> str:
        """The name under which its serials are kept."""
        return f"app:{self.application.app_id}"


def reading_party_of(tx: Transaction, call: Call, scene_no: int, *, now: datetime) -> ReadingParty:
    """It returns the relying party of a call, if it may scan in that scene now.

    A device with its own certificate names its application by its registration; an application names its device in the
    metadata, and only one of its own (7.4-03).

    Raises:
        AppUnknownError, AppDisabledError: The application or its organisation may not act.
        DeviceUnknownError, DeviceDisabledError: The device may not act.
        SceneUnknownError, SceneNotAllowedError: The scene is not in force, or not the application's.
    """
    device: Scanner | None = None
    if call.caller.caller_class is CallerClass.SCANNER:
        device = _device_of(tx, call.caller.name)
        app_id = device.app_id
    else:
        app_id = call.caller.name
        if call.device_id:
            device = _device_of(tx, call.device_id)
            if device.app_id != app_id:
                raise DeviceUnknownError(call.device_id)
    application, organisation = relying_application_of(tx, app_id)
    scene = tx.scenes.in_force(scene_no, now=now)
    if scene is None:
        raise SceneUnknownError(scene_no)
    if scene_no not in application.scene_nos:
        raise SceneNotAllowedError(scene_no)
    return ReadingParty(
        application=application,
        organisation=organisation,
        scene=scene,
        device_id=device.device_id if device is not None else "",
        place=device.place if device is not None else "",
    )


def _device_of(tx: Transaction, device_id: str) -> Scanner:
    device = tx.parties.scanner(device_id)
    if device is None:
        raise DeviceUnknownError(device_id)
    if device.state is not RegistrationState.ENABLED:
        raise DeviceDisabledError(device_id=device_id, state=device.state.value)
    return device


def relying_application_of(tx: Transaction, app_id: str) -> tuple[Application, RelyingParty]:
    """It returns a relying party's application and organisation, if both may act now.

    Raises:
        AppUnknownError, AppDisabledError: They may not.
    """
    application = tx.parties.application(app_id)
    if application is None or application.kind is not ApplicationKind.RELYING_PARTY:
        raise AppUnknownError(app_id)
    if application.state is not RegistrationState.ENABLED:
        raise AppDisabledError(app_id=app_id, state=application.state.value)
    organisation = tx.parties.relying_party(application.relying_party_id)
    if organisation is None:
        raise AppUnknownError(app_id)
    if organisation.state is not RegistrationState.ENABLED:
        raise AppDisabledError(app_id=app_id, state=organisation.state.value)
    return application, organisation
