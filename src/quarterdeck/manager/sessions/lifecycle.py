"""Takes kernels, and with them sessions, through their life by calling agents: creates and destroys, writes what came of it.

Every step may be done again: a kernel is created and destroyed by its id, and an outcome that is not known is found out by asking.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterator

import msgspec

from quarterdeck.manager.sessions import errors, model, ports, pull_ports, pulls
from quarterdeck.manager.sessions.lanes import Lanes
from quarterdeck.manager.sessions.watch import Watch
from quarterdeck.wire import agents
from quarterdeck.wire.executions import WAIT_SECONDS_MAX, Execute

CALL_SECONDS_MAX = 5.0
FIRST_SECONDS = 0.05
"""What a kernel runs first keeps it so long from being RUNNING by the books."""
STEPS_MAX = 4
"""Most steps in a row for one kernel; the sweep goes on with what remains."""

_log = logging.getLogger(__name__)


class Lifecycle:
    """Does what kernels need from their agents. `work` is run by several workers, `sweep` by a loop."""

    def __init__(
        self,
        books: ports.Books,
        kernels: ports.Kernels,
        news: ports.News,
        lanes: Lanes,
        *,
        pulls: pull_ports.Pulls,
    ) -> None:
        self._books = books
        self._kernels = kernels
        self._news = news
        self._lanes = lanes
        self._pulls = pulls
        self._claimed: dict[str, model.Work] = {}
        self._watched: dict[str, list[Watch]] = {}
        self._expected: dict[str, Watch] = {}

    def drive(self, agent: str, session: str, kernel: str, *, watch: Watch | None = None) -> None:
        """Look after a kernel soon, and tell who watches, or expects the session."""
        watch = watch or self._expected.pop(session, None)
        if watch is not None:
            watch.in_hand = True
            self._watched.setdefault(kernel, []).append(watch)
        self._lanes.put(model.Due(agent, session, kernel))

    @contextlib.contextmanager
    def expecting(self, session: str, watch: Watch) -> Iterator[None]:
        """Have who watches a session told, if its kernel comes to be driven here within a block."""
        self._expected[session] = watch
        try:
            yield
        finally:
            self._expected.pop(session, None)

    @property
    def has_turn(self) -> bool:
        """Whether a kernel that begins now is asked for at once."""
        return self._lanes.flowing

    def go_on(self, work: model.Work, *, watch: Watch | None = None) -> None:
        """Go on soon with a kernel that is claimed already, and tell who watches."""
        self._claimed[work.kernel] = work
        self.drive(work.agent, work.session, work.kernel, watch=watch)

    async def begin(self) -> None:
        """Take over what an earlier life of this manager left in the middle. Before the first `work`."""
        await self._books.release_all()

    async def sweep(self) -> None:
        """Look after all kernels that need something: what nobody told us of, and what has to be tried again."""
        for due in await self._books.due():
            self._lanes.put(due)

    async def work(self) -> None:
        """Look after the next kernel, once there is one."""
        await self._lanes.wait()
        with self._lanes.take() as due:
            if due is not None:
                await self._look_after(due)

    async def _look_after(self, due: model.Due) -> None:
        """Do steps. After one that could not be written the kernel is looked after again soon: the claim on it is ours."""
        with contextlib.ExitStack() as after_failure:
            after_failure.callback(self._lanes.put, due)
            for _ in range(STEPS_MAX):
                work = self._claimed.pop(due.kernel, None) or await self._books.claim(due.kernel)
                if work is None or not await self._step(work):
                    break
            after_failure.pop_all()
        for watch in self._watched.pop(due.kernel, ()):
            watch.in_hand = False
            watch.wake.set()

    async def _step(self, work: model.Work) -> bool:
        """Do one step and tell whether another may follow at once."""
        match model.next_step(work.status):
            case model.Step.PULL:
                return await self._pull(work)
            case model.Step.CREATE:
                return await self._create(work)
            case model.Step.DESTROY:
                return await self._destroy(work)
            case model.Step.NOTHING:
                return False

    async def _pull(self, work: model.Work) -> bool:
        image = await self._pulls.ask(work)
        if image is None:
            await self._books.release(work)
            return False
        if isinstance(image, model.End):
            return await self._end(work, image)
        if image.status is agents.PullStatus.READY:
            return await self._books.pulled(work, image)
        await self._books.pulling(work, image)
        return False

    async def _create(self, work: model.Work) -> bool:
        watches = self._watched.get(work.kernel, ())
        wanted = () if work.request.command else watches
        first = next((each.first for each in wanted if each.first is not None), None)
        view = await self._ask_to_create(work, first)
        if view is None:
            return await self._end_or_retry(work)
        if isinstance(view, errors.AgentRefused):
            return await self._refused(work, view)
        outcome = model.after_create(view.status)
        if outcome is model.Outcome.UNCLEAR:
            return await self._end_or_retry(work)
        ran = None
        if outcome is model.Outcome.RUNS or work.request.command or first is not None:
            ran = await self._books.running(work, view.isolation)
            for watch in watches:
                watch.ran, watch.flushed = ran, ran is not None and not work.flushed
                watch.execution, watch.work = view.execution, work
        if outcome is model.Outcome.RUNS:
            return ran is None
        return await self._end(work, model.end_of(work.type, view))

    async def _ask_to_create(
        self, work: model.Work, first: Execute | None
    ) -> agents.KernelView | errors.AgentRefused | None:
        """Return the kernel, or why the agent does not make it; None: that is not clear."""
        request = work.request
        if first is not None:
            wait = min(FIRST_SECONDS, WAIT_SECONDS_MAX if first.wait is None else first.wait)
            request = msgspec.structs.replace(
                request, execute=msgspec.structs.replace(first, wait=wait)
            )
        try:
            async with asyncio.timeout(CALL_SECONDS_MAX):
                return await self._kernels.create(work.address, work.kernel, request)
        except errors.AgentRefused as error:
            _note("kernel-create-refused", work, error)
            return error
        except (TimeoutError, errors.AgentFailure) as error:
            _note("kernel-create-unclear", work, error)
            return None

    async def _refused(self, work: model.Work, error: errors.AgentRefused) -> bool:
        """Go back to the image if the agent has let go of it, ask again what may pass, and end the session otherwise."""
        if error.lacks_image:
            return await self._books.pull_again(work) or await self._end(work, pulls.gone(work))
        if model.after_refusal(error.refusal) is model.Outcome.UNCLEAR:
            return await self._end_or_retry(work)
        return await self._end(work, model.refused(work, error.detail))

    async def _destroy(self, work: model.Work) -> bool:
        try:
            async with asyncio.timeout(CALL_SECONDS_MAX):
                if work.request.command:
                    await self._keep_logs(work)
                await self._kernels.destroy(work.address, work.kernel)
        except (TimeoutError, errors.AgentFailure) as error:
            _note("kernel-destroy-unclear", work, error)
            await self._books.release(work)
            return False
        over = await self._books.ended(work)
        for watch in self._watched.get(work.kernel, ()):
            watch.over = over
        self._news.ended(work.session)
        return False

    async def _keep_logs(self, work: model.Work) -> None:
        """Keep what the command has written. An agent that does not have the kernel, or never had it, has nothing to say."""
        try:
            logs = await self._kernels.logs(work.address, work.kernel)
        except errors.AgentRefused as error:
            if model.after_refusal(error.refusal) is model.Outcome.UNCLEAR:
                raise
            _note("kernel-has-no-logs", work, error)
            return
        await self._books.keep_logs(work.session, logs)

    async def _end(self, work: model.Work, end: model.End) -> bool:
        """End the session. What becomes of this kernel follows at once; the others are looked after by whoever has them, or soon."""
        for due in await self._books.ending(
            work.kernel, end, model.LIFECYCLE, generation=work.request.generation
        ):
            if due.kernel != work.kernel:
                self._lanes.put(due)
        return True

    async def _end_or_retry(self, work: model.Work) -> bool:
        reason = model.after_silence(work.status_seconds)
        if reason is not None:
            return await self._end(work, model.late(work, reason))
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
