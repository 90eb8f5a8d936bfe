"""Takes sessions through their life by calling their agents: creates and destroys kernels, writes what came of it.

Every step may be done again: a kernel is created and destroyed by its id, and an outcome that is not known is found out by asking.
"""

import asyncio
import logging

from quarterdeck.manager.sessions import errors, model, ports
from quarterdeck.manager.sessions.lanes import Lanes

CALL_SECONDS_MAX = 5.0
STEPS_MAX = 4
"""Most steps in a row for one session; the sweep goes on with what remains."""

_log = logging.getLogger(__name__)


class Lifecycle:
    """Does what sessions need from their agents. `work` is run by several workers, `sweep` by a loop."""

    def __init__(
        self, books: ports.Books, kernels: ports.Kernels, news: ports.News, lanes: Lanes
    ) -> None:
        self._books = books
        self._kernels = kernels
        self._news = news
        self._lanes = lanes

    def drive(self, agent: str, session: str) -> None:
        """Look after a session soon."""
        self._lanes.put(model.Due(agent, session))

    async def begin(self) -> None:
        """Take over what an earlier life of this manager left in the middle. Before the first `work`."""
        await self._books.release_all()

    async def sweep(self) -> None:
        """Look after all sessions that need something: what nobody told us of, and what has to be tried again."""
        for due in await self._books.due():
            self._lanes.put(due)

    async def work(self) -> None:
        """Look after the next session, once there is one."""
        await self._lanes.wait()
        with self._lanes.take() as due:
            if due is not None:
                await self._look_after(due.session)

    async def _look_after(self, session: str) -> None:
        for _ in range(STEPS_MAX):
            work = await self._books.claim(session)
            if work is None or not await self._step(work):
                return

    async def _step(self, work: model.Work) -> bool:
        """Do one step and tell whether another may follow at once."""
        match model.next_step(work.status):
            case model.Step.CREATE:
                return await self._create(work)
            case model.Step.DESTROY:
                return await self._destroy(work)
            case model.Step.NOTHING:
                return False

    async def _create(self, work: model.Work) -> bool:
        match await self._ask_to_create(work):
            case model.Outcome.RUNS:
                return not await self._books.running(work)
            case model.Outcome.ENDED:
                return await self._end(work, model.Reason.SELF_TERMINATED)
            case model.Outcome.FAILED:
                return await self._end(work, model.Reason.KERNEL_FAILED)
            case model.Outcome.UNCLEAR:
                return await self._end_or_retry(work)

    async def _ask_to_create(self, work: model.Work) -> model.Outcome:
        try:
            async with asyncio.timeout(CALL_SECONDS_MAX):
                view = await self._kernels.create(work.address, work.kernel, work.request)
        except errors.AgentRefused as error:
            _note("kernel-create-refused", work, error)
            return model.after_refusal(error.refusal)
        except (TimeoutError, errors.AgentFailure) as error:
            _note("kernel-create-unclear", work, error)
            return model.Outcome.UNCLEAR
        return model.after_create(view.status)

    async def _destroy(self, work: model.Work) -> bool:
        try:
            async with asyncio.timeout(CALL_SECONDS_MAX):
                await self._kernels.destroy(work.address, work.kernel)
        except (TimeoutError, errors.AgentFailure) as error:
            _note("kernel-destroy-unclear", work, error)
            await self._books.release(work)
            return False
        await self._books.ended(work)
        self._news.freed(work.session)
        return False

    async def _end(self, work: model.Work, reason: model.Reason) -> bool:
        await self._books.ending(work.kernel, reason, model.LIFECYCLE)
        return True

    async def _end_or_retry(self, work: model.Work) -> bool:
        reason = model.after_silence(work.status_seconds)
        if reason is not None:
            return await self._end(work, reason)
        await self._books.release(work)
        return False


def _note(event: str, work: model.Work, error: Exception) -> None:
    _log.warning(
        event,
        extra={
            "session": work.session,
            "kernel": work.kernel,
            "agent": work.agent,
            "error": repr(error),
        },
    )
