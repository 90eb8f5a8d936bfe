"""What may be asked to run."""

import pytest

from quarterdeck.wire import decode
from quarterdeck.wire.errors import Invalid
from quarterdeck.wire.executions import Execute, Execution, ExecutionStatus


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        (b"{}", "missing-field", "code"),
        (b'{"command":[]}', "missing-field", "code"),
        (b'{"code":"","command":["x"]}', "invalid-field", "command"),
        (b'{"command":["a\\u0000b"]}', "invalid-field", "command.0"),
        (b'{"code":"","wait":601}', "invalid-field", "wait"),
        (b'{"code":"","run":"mine"}', "invalid-field", "run"),
    ],
)
def test_what_makes_no_sense_is_refused_by_field(body, code, field):
    with pytest.raises(Invalid) as refused:
        decode.decode(Execute, body)
    assert (refused.value.code, refused.value.field) == (code, field)


def test_commands_are_bounded_together():
    with pytest.raises(Invalid):
        Execute(command=("x" * 100_000,) * 3)


@pytest.mark.parametrize("status", ExecutionStatus)
def test_a_run_has_finished_or_not(status):
    told = Execution(status=status, stdout="", stderr="")
    assert told.finished == (status.value in {"ok", "error"})
