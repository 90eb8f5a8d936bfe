"""Log lines of level error that are no failure: declared in a `model.System`, or by a test's marker."""

import functools
import re
from dataclasses import KW_ONLY, dataclass


@dataclass(frozen=True)
class AllowedLine:
    """Bad log lines that fail no test; say why."""

    pattern: str
    """A regular expression, searched in the event and the fields of a line."""
    _: KW_ONLY
    component: str = ""
    """Declared name of who may log it; everybody if empty."""
    reason: str = ""

    def allows(self, component: str, text: str) -> bool:
        """Whether a line of a member (`agent-2` is one of `agent`) is allowed."""
        kind = component.rpartition(".")[2]
        mine = not self.component or kind == self.component or _is_replica(kind, self.component)
        return mine and bool(_compiled(self.pattern).search(text))


def _is_replica(member: str, component: str) -> bool:
    return member.startswith(f"{component}-") and member.removeprefix(f"{component}-").isdecimal()


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
