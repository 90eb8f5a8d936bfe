"""The end of a session that has begun: the kernels that end for it, and what is known of it afterwards without another look."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from quarterdeck.manager.sessions import model
from quarterdeck.manager.sessions.watch import Over
from quarterdeck.wire import sessions


@dataclass(frozen=True, slots=True)
class Termination:
    """The kernels that have to end for a session. If it is one, and this manager has claimed it: the work, and the session as it was."""

    kernels: Sequence[model.Due] = ()
    work: model.Work | None = None
    before: sessions.SessionView | None = None

    def view(self, over: Over | None) -> sessions.SessionView | None:
        """Return the session, which is over; None: that takes a look."""
        if self.work is None or self.before is None or over is None:
            return None
        kernel = sessions.SessionKernel(
            id=self.work.kernel,
            role=sessions.KernelRole.MAIN,
            index=1,
            hostname=model.MAIN_HOSTNAME,
            agent=self.work.agent,
            status=sessions.KernelStatus.TERMINATED,
            isolation=over.isolation,
        )
        return msgspec.structs.replace(
            self.before,
            status=sessions.SessionStatus.TERMINATED,
            agent=kernel.agent,
            kernels=(kernel,),
            isolation=over.isolation,
            terminated_at=over.terminated_at,
            reason=over.reason,
            result=over.result,
            detail=over.detail,
            exit_code=over.exit_code,
            started_at=over.started_at,
            expires_at=over.expires_at,
        )
