"""Whether a session that has a name is as good as the one that is asked for. Pure."""

import msgspec
import pytest

from quarterdeck.manager.sessions import errors, naming
from quarterdeck.testing.fakes import views
from quarterdeck.wire.sessions import IsolationLevel, Mount, SessionCreate
from quarterdeck.wire.states import SessionStatus

KNOWN = views.session(
    SessionStatus.RUNNING,
    name="mine",
    isolation=IsolationLevel.NAMESPACED,
    mounts=(Mount("f", "data"),),
)
WANTED = SessionCreate(
    image="python:3.11",
    name="mine",
    mounts=KNOWN.mounts,
    isolation=IsolationLevel.NAMESPACED,
)
HOLDER = naming.Holder(KNOWN, {}, IsolationLevel.PROCESS)


def test_better_isolation_than_was_asked_for_is_as_good():
    """What it has counts, not what it was asked to have. Ask for as much as it has, and for less."""
    assert naming.reused(WANTED, HOLDER) == KNOWN
    less = msgspec.structs.replace(WANTED, isolation=IsolationLevel.PROCESS)
    assert naming.reused(less, HOLDER) == KNOWN


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"mounts": ()}, "mounts"),
        ({"mounts": (Mount("other", "data"),)}, "mounts"),
        ({"isolation": IsolationLevel.OCI}, "isolation"),
    ],
)
def test_session_without_the_folders_or_the_isolation_is_not_reused(change, field):
    """The refusal names what differs. Ask for other folders, and for more isolation."""
    with pytest.raises(errors.SessionNameTaken) as refused:
        naming.reused(msgspec.structs.replace(WANTED, **change), HOLDER)
    assert refused.value.field == field
