"""A holders' back end (公众端后端) on asyncio: one stream of events for all holders, codes refreshed in time."""

import asyncio
import sys

from govcode_client import AsyncClient, Sandbox


async def show_codes(holder: AsyncClient, token: str, *, scene_no: int, times: int) -> str:
    """It shows a code and refreshes it as the node says, by the phone's own clock; the last text."""
    text = ""
    for number in range(times):
        shown = await holder.codes.present(session_token=token, scene_no=scene_no)
        text = shown.code.code_text
        print("the phone shows", text[:24] + "…", "the same" if shown.reused else "")
        if number + 1 < times:
            # A real phone waits the whole of it; a wrong clock does no harm, since it is counted from the answer.
            await asyncio.sleep(min(shown.code.refresh_after.ToTimedelta().total_seconds(), 0.2))
    return text


async def main(box: Sandbox) -> None:
    """It opens an account, shows a code, lets a counter scan it, and hears of it."""
    async with box.async_client("holder_app") as holder, box.async_client("counter_app") as counter:
        me = await holder.codes.sign_in(phone=box.phone("free_2"), terms_version=box.terms_version)
        # In production the cursor is kept with what was handled, and handed in again after a restart.
        cursor = (await holder.codes.list_events()).cursor
        scene_no = box.scenes["counter"]
        text = await show_codes(holder, me.session.session_token, scene_no=scene_no, times=2)
        await counter.codes.scan(code_text=text, scene_no=scene_no, place="3 号窗口")
        async for event in holder.codes.watch_events(cursor=cursor):
            if event.account_id == me.account_id and event.WhichOneof("kind") == "code_scanned":
                print("to the holder's phone:", event.code_scanned.relying_party_name, event.code_scanned.place)
                break


if __name__ == "__main__":
    asyncio.run(main(Sandbox.load(*sys.argv[1:])))
