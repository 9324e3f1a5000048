"""Between looking and writing lies the identity provider's answer: what ended meanwhile decides nothing (6.3-08)."""

from collections.abc import Callable

import pytest
from govcode_node.domain.authorizations import AuthorizationState
from govcode_node.domain.mandates import EntityStanding, MandateInvalidError
from kit.consent_in_memory import (
    AskedItem,
    AskingCounter,
    deciding_entity,
    deciding_holder,
)
from kit.federation_in_memory import NodeInMemory


def meanwhile(monkeypatch: pytest.MonkeyPatch, node: NodeInMemory, act: Callable[[], object]) -> None:
    """Let something happen while the identity provider is asked how an entity stands."""
    ask = node.provider.standing

    async def standing(uscc: str) -> EntityStanding:
        answer = await ask(uscc)
        done = act()
        if hasattr(done, "__await__"):
            await done
        return answer

    monkeypatch.setattr(node.provider, "standing", standing)


@pytest.mark.req("N-07", "6.3-08", "6.3-19")
async def test_a_mandate_that_is_cancelled_meanwhile_decides_nothing(
    monkeypatch: pytest.MonkeyPatch, licensed: NodeInMemory, licensed_counter: AskingCounter
) -> None:
    entity = await deciding_entity(licensed)
    agent = await deciding_holder(licensed)
    mandate = await entity.give_mandate(agent, license_types=("driving-licence",))
    asked = await licensed_counter.ask(entity.holder, AskedItem(license_type="driving-licence", field_names=("class",)))
    call, command = await agent.decide_call(asked.authorization_id, mandate_id=mandate.mandate_id)
    meanwhile(monkeypatch, licensed, lambda: entity.cancel_mandate(mandate.mandate_id))

    with pytest.raises(MandateInvalidError):
        await licensed.steps.authorizations.deciding.decide(call, command)

    (seen,) = await entity.list_authorizations()
    assert seen.state is AuthorizationState.PENDING
