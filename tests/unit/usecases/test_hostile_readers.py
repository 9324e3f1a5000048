"""A reader that stands still holds no place among the deliveries for good (N-25)."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from govcode_node.domain.authorizations import UseState
from govcode_node.domain.errors import OverloadedError
from govcode_node.usecases import license_delivery
from kit.consent_in_memory import WITH_DOCUMENT, AskingCounter, DecidingHolder


@pytest.mark.req("N-25")
async def test_readers_that_stand_still_make_room_again(
    monkeypatch: pytest.MonkeyPatch, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    monkeypatch.setattr(license_delivery, "MOST_DELIVERIES", 1)
    asked = await licensed_counter.ask(asked_holder.holder, WITH_DOCUMENT, max_uses=2)
    await asked_holder.decide(asked.authorization_id)
    call, command = licensed_counter.fetch_call(asked.authorization_id)
    fetching = licensed_counter.node.steps.authorizations.fetching

    async def stand_still() -> None:
        async with AsyncExitStack() as stack:
            with monkeypatch.context() as patch:
                patch.setattr(license_delivery, "LONGEST_DELIVERY", 0.5)
                pieces = await stack.enter_async_context(fetching.fetch(call, command))
            await anext(aiter(pieces))
            await asyncio.Event().wait()

    with pytest.raises(OverloadedError):
        await asyncio.wait_for(stand_still(), timeout=10)

    # What was handed out stays counted, and the same serial takes the rest.
    went_on = await licensed_counter.fetch(asked.authorization_id, biz_serial=command.biz_serial)
    assert went_on.header.replayed
    assert (await licensed_counter.get(asked.authorization_id)).remaining_uses() == {1: 1}
    (use,) = await asked_holder.list_uses(asked.authorization_id)
    assert use.state is UseState.DELIVERED
