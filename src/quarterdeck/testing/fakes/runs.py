"""What runs in the kernels of a manager's sessions, without agents: the port `Runs`."""

from collections.abc import Container

from quarterdeck.manager.sessions import errors
from quarterdeck.testing.fakes.manager import ADDRESS
from quarterdeck.wire import executions, sessions


class FakeRuns:
    """The port `Runs`: a run gives its code back as its output. `calls` is what was asked for; `kernels` are those that run."""

    def __init__(self, kernels: Container[str] = ()) -> None:
        self.kernels = kernels
        self.calls: list[tuple[str, str]] = []
        self.runs: dict[str, executions.Execution] = {}

    async def execute(
        self, address: str, kernel: str, run: str, given: executions.Execute
    ) -> executions.Execution:
        """Give the code back as the output; the same again is the same run."""
        self._called("execute", address, kernel)
        done = executions.Execution(
            status=executions.ExecutionStatus.OK, stdout=given.code or "", stderr="", run=run
        )
        return self.runs.setdefault(run, done)

    async def look(
        self, address: str, kernel: str, run: str, query: executions.RunQuery
    ) -> executions.Execution:
        """Return a run."""
        self._called("look", address, kernel)
        if run not in self.runs:
            raise errors.RunNotFound
        return self.runs[run]

    async def reply(self, address: str, kernel: str, run: str, given: executions.Input) -> None:
        """Note it."""
        self._called("reply", address, kernel)

    async def interrupt(self, address: str, kernel: str, given: executions.Interrupt) -> None:
        """Note it."""
        self._called("interrupt", address, kernel)

    async def complete(
        self, address: str, kernel: str, given: executions.Complete
    ) -> executions.Completion:
        """Find nothing."""
        self._called("complete", address, kernel)
        return executions.Completion((), 0, 0)

    async def logs(self, address: str, kernel: str) -> sessions.Logs:
        """Return the kernel's id as its log."""
        self._called("logs", address, kernel)
        return sessions.Logs(f"log of {kernel}")

    def _called(self, name: str, address: str, kernel: str) -> None:
        if address != ADDRESS:
            raise errors.AgentUnreachable
        if kernel not in self.kernels:
            raise errors.SessionNotRunning
        self.calls.append((name, kernel))
