"""A piece of work once for each message that it sends: first as it is; then again and again, each time with one message stopped.

    edge = links.link("manager", "agent")
    for message in await everywhere.sent(edge, work):
        await everywhere.visit(edge, message.number, work, kill_the_agent, within=10)

Who counts with `faults.coverage` what was reached has it printed at the end of the run.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from shakeout.links.link import Link
from shakeout.links.trap import Message, Trap
from shakeout.timeline import record
from shakeout.waiting import together
from shakeout.waiting.until import until

Work = Callable[[], Awaitable[object]]
Act = Callable[[Trap, Message], Awaitable[bool]]
"""What is done about a message; whether it was one to do something about."""


async def sent(link: Link, work: Work) -> Sequence[Message]:
    """Messages that pass a link while some work is done."""
    async with link.recorded() as messages:
        await work()
    return messages


async def visit(link: Link, number: int, work: Work, act: Act, *, within: float) -> bool:
    """Do the work with one message stopped, and act when it is: the act says whether it is delivered.

    Returns what the act returns; False when the work was done before the message came. The work must end whatever the act does; it and
    what comes after the act have `within` seconds each. Raises TimeoutError, WaitTimedOut when the message neither comes nor the work
    ends, what the work and the act raise; of several errors the first one, with the others as notes.
    """
    with together.plainly():
        async with link.trapped(number) as trap, asyncio.TaskGroup() as group:
            working = group.create_task(_in_time(work, within))

            async def acted() -> bool:
                await until(
                    lambda: _look(trap, working),
                    within=within,
                    describe=f"message {number} on {link.name}, or the end of the work",
                )
                message = await trap.sprung()
                if message is None:
                    return False
                record.note("message", str(message), link=link.name)
                return await act(trap, message)

            acting = group.create_task(acted())
    return acting.result()


async def _in_time(work: Work, within: float) -> None:
    async with asyncio.timeout(2 * within):
        await work()


async def _look(trap: Trap, task: asyncio.Task[None]) -> bool:
    return task.done() or await trap.sprung() is not None
