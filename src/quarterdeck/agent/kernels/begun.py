"""Which runs a kernel has begun: an agent that has started anew may ask for one of them again. Used by `responder` and by shells in containers."""

RUNS_REMEMBERED_MAX = 4096


class Begun:
    """The newest runs that were begun, by id."""

    def __init__(self) -> None:
        self._ids: dict[str, None] = {}

    def note(self, id_: str) -> bool:
        """Take note of a run; tell whether it is a new one."""
        if id_ in self._ids:
            return False
        self._ids[id_] = None
        if len(self._ids) > RUNS_REMEMBERED_MAX:
            del self._ids[next(iter(self._ids))]
        return True
