"""The answer to a request for a session that waits for it to run."""

from quarterdeck.wire.executions import Execution
from quarterdeck.wire.sessions import SessionView


class SessionStarted(SessionView, frozen=True, kw_only=True):
    """A session, and what came of the code that it was to run first.

    None: there was none, it did not come to run in time, or what came of it is not known. With an id of its own (`run`) it can be asked for.
    """

    execution: Execution | None = None
