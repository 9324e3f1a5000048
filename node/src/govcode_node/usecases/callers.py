"""Who the owner of a certificate is at this node: registry row, operator role, or standing in the trust bundle."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Final

from govcode_node.domain.callers import (
    AppDisabledError,
    AppUnknownError,
    Caller,
    DeviceDisabledError,
    DeviceUnknownError,
    OperatorRole,
    OperatorUnknownError,
)
from govcode_node.domain.errors import GovcodeError
from govcode_node.domain.identities import CallerClass, Identity
from govcode_node.domain.nodes import NodeState
from govcode_node.domain.parties import ApplicationKind, RegistrationState
from govcode_node.domain.regions import RegionCode
from govcode_node.ports.clock import Clock
from govcode_node.ports.federation import TrustHolder
from govcode_node.ports.stores import Database, Transaction

REGISTRY_MEMORY_SECONDS: Final = 1.0
"""How long a registry row is believed without looking again. A read crosses to the store's thread, which costs about as
much as the rest of the way in; so a suspended application is refused after at most this time. Scans do not depend on
it: they read the registration again in the transaction that records them."""

_MAX_REMEMBERED: Final = 10_000


_RowKey = tuple[str, CallerClass, str, str]
"""Trust domain, class, name, thumbprint: the certificate is part of the caller, so of the key too."""


@dataclass(frozen=True, slots=True)
class _Remembered:
    """An answer of the registry, a caller or a refusal, and until when it is believed."""

    answer: asyncio.Future[Caller | GovcodeError]
    until: float


class RegisteredCallers:
    """The directory of callers of one node.

    Applications, scanners, licence services and operators exist in one region only, and names repeat between regions:
    `counter-app` of Shanghai is not `counter-app` of Beijing. So one that comes with another region's certificate is
    unknown here, whatever its name.

    Args:
        region_code: This node's region.
        database: Holds the registry.
        trust: Holds the trust bundle, from which nodes get their standing.
        operators: Roles of each operator, from the configuration.
        clock: Time.
    """

    def __init__(
        self,
        *,
        region_code: RegionCode,
        database: Database,
        trust: TrustHolder,
        operators: Mapping[str, Collection[OperatorRole]],
        clock: Clock,
    ) -> None:
        self._region_code = region_code
        self._database = database
        self._trust = trust
        self._operators = {name: frozenset(roles) for name, roles in operators.items()}
        self._clock = clock
        self._rows: dict[_RowKey, _Remembered] = {}

    async def resolve(self, identity: Identity, *, thumbprint: str) -> Caller:
        """It returns the caller of an identity, as `CallerDirectory` says."""
        caller_class, name = identity.caller_class, identity.name
        # First of all, since this is nearly every call: only who got as far as the registry before is remembered.
        key = (identity.trust_domain, caller_class, name, thumbprint)
        remembered = self._rows.get(key)
        if remembered is not None and remembered.until > self._clock.monotonic():
            return await self._answer(key, remembered)
        if caller_class is CallerClass.NODE:
            return self._node(identity, thumbprint)
        if caller_class is CallerClass.HUB:
            return Caller(caller_class=caller_class, name=name, certificate=thumbprint)
        at_home = identity.region_code == self._region_code
        if caller_class is CallerClass.OPERATOR:
            roles = self._operators.get(name) if at_home else None
            if not roles:
                raise OperatorUnknownError(operator=name if at_home else str(identity))
            return Caller(caller_class=caller_class, name=name, roles=roles, certificate=thumbprint)
        if not at_home:
            if caller_class is CallerClass.SCANNER:
                raise DeviceUnknownError(device_id=str(identity))
            raise AppUnknownError(app_id=str(identity))
        return await self._answer(key, self._begin_reading(key))

    def _node(self, identity: Identity, thumbprint: str) -> Caller:
        bundle = self._trust.bundle()
        node = bundle.node(identity.name) if bundle else None
        approved = node is not None and node.state is NodeState.ACTIVE and node.certificate_name == str(identity)
        return Caller(caller_class=identity.caller_class, name=identity.name, approved=approved, certificate=thumbprint)

    def _begin_reading(self, key: _RowKey) -> _Remembered:
        """It asks for a registry row, and remembers that it has: calls that come together share one read."""
        _, caller_class, name, thumbprint = key
        reading = asyncio.ensure_future(self._read(caller_class, name, thumbprint))
        # Looked at once, so that a failure nobody waited for any longer is not reported as forgotten.
        reading.add_done_callback(lambda done: done.cancelled() or done.exception())
        remembered = _Remembered(reading, self._clock.monotonic() + REGISTRY_MEMORY_SECONDS)
        self._rows.pop(key, None)
        if len(self._rows) >= _MAX_REMEMBERED:
            del self._rows[next(iter(self._rows))]
        self._rows[key] = remembered
        return remembered

    async def _answer(self, key: _RowKey, remembered: _Remembered) -> Caller:
        """It gives what the registry said, once it has."""
        answer = remembered.answer
        try:
            # Shielded: a caller that goes away must not take the read from those that wait with it.
            found = answer.result() if answer.done() else await asyncio.shield(answer)
        except Exception:
            # The store did not answer. That is not remembered.
            if self._rows.get(key) is remembered:
                del self._rows[key]
            raise
        if isinstance(found, GovcodeError):
            # A copy: one exception raised for many callers would gather the tracebacks of all.
            raise type(found)(**vars(found))
        return found

    async def _read(self, caller_class: CallerClass, name: str, thumbprint: str) -> Caller | GovcodeError:
        """It asks the store; refusals are values here, so that they can be remembered like callers."""
        lookup = _LOOKUPS[caller_class]

        def query(transaction: Transaction) -> Caller | GovcodeError:
            return lookup(transaction, name)

        found = await self._database.read(query)
        return found if isinstance(found, GovcodeError) else replace(found, certificate=thumbprint)


def _application(transaction: Transaction, app_id: str) -> Caller | GovcodeError:
    application = transaction.parties.application(app_id)
    if application is None:
        return AppUnknownError(app_id=app_id)
    party = transaction.parties.relying_party(application.relying_party_id)
    states = [application.state] + ([party.state] if party else [])
    for state in states:
        if state is not RegistrationState.ENABLED:
            return AppDisabledError(app_id=app_id, state=state.value)
    if application.kind is ApplicationKind.LICENSE_SYSTEM:
        return Caller(caller_class=CallerClass.LICENCE, name=app_id)
    return Caller(caller_class=CallerClass.APP, name=app_id, kind=application.kind.value)


def _of_class(caller_class: CallerClass) -> Callable[[Transaction, str], Caller | GovcodeError]:
    """It gives the search for an application whose registered kind fits the class of the certificate."""

    def lookup(transaction: Transaction, app_id: str) -> Caller | GovcodeError:
        found = _application(transaction, app_id)
        if isinstance(found, Caller) and found.caller_class is not caller_class:
            return AppUnknownError(app_id=app_id)
        return found

    return lookup


def _scanner(transaction: Transaction, device_id: str) -> Caller | GovcodeError:
    scanner = transaction.parties.scanner(device_id)
    if scanner is None:
        return DeviceUnknownError(device_id=device_id)
    if scanner.state is not RegistrationState.ENABLED:
        return DeviceDisabledError(device_id=device_id, state=scanner.state.value)
    owner = _application(transaction, scanner.app_id)
    return owner if isinstance(owner, GovcodeError) else Caller(caller_class=CallerClass.SCANNER, name=device_id)


_LOOKUPS: Final[Mapping[CallerClass, Callable[[Transaction, str], Caller | GovcodeError]]] = {
    CallerClass.APP: _of_class(CallerClass.APP),
    CallerClass.LICENCE: _of_class(CallerClass.LICENCE),
    CallerClass.SCANNER: _scanner,
}
