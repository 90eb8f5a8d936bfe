"""The filter of system calls, run step by step as the operating system would."""

import operator
import struct

import pytest

from quarterdeck.agent.kernels import filters

X86, ARM = 0xC000003E, 0xC00000B7
ALLOW, KILL = 0x7FFF0000, 0x80000000
TESTS = {0x15: operator.eq, 0x25: operator.gt, 0x45: operator.and_}
NOT_PERMITTED, NO_SUCH_CALL, NO_SUCH_FAMILY = 0x50001, 0x50026, 0x50061


def judged(number, *arguments, machine="x86_64", architecture=X86):
    """What the program says of a call."""
    program = filters.program(machine) or b""
    steps = [struct.unpack_from("HBBI", program, at) for at in range(0, len(program), 8)]
    data = struct.pack("IIQ6Q", number, architecture, 0, *(*arguments, 0, 0, 0, 0, 0, 0)[:6])
    at, value = 0, 0
    while True:
        code, yes, no, operand = steps[at]
        at += 1
        if code == 0x06:
            return operand
        if code == 0x20:
            (value,) = struct.unpack_from("I", data, operand)
        else:
            at += yes if TESTS[code](value, operand) else no


@pytest.mark.parametrize("number", [0, 1, 2, 9, 39, 57, 58, 59, 231, 257, 334, 424, 434, 441])
def test_ordinary_calls_are_allowed(number):
    assert judged(number) == ALLOW


@pytest.mark.parametrize(
    "number", [101, 155, 161, 165, 166, 250, 272, 304, 308, 321, 425, 428, 442]
)
def test_calls_that_reach_out_are_refused(number):
    assert judged(number) == NOT_PERMITTED


def test_clone_makes_threads_and_processes_but_no_namespaces():
    assert judged(56, 0x3D0F00) == judged(56, 17) == ALLOW
    assert (
        judged(56, 0x10000000 | 17)
        == judged(56, 0x40000000)
        == judged(56, 0x20000)
        == NOT_PERMITTED
    )
    assert judged(435) == NO_SUCH_CALL


def test_clone_makes_no_child_of_its_parents():
    """It would be the zygote's, where no limit of its kernel looks."""
    assert judged(56, 0x8000 | 17) == NOT_PERMITTED
    assert judged(220, 0x8000 | 17, machine="aarch64", architecture=ARM) == NOT_PERMITTED


def test_terminals_cannot_be_typed_into_by_programs():
    assert judged(16, 0, 0x5401) == ALLOW
    assert judged(16, 0, 0x5412) == judged(16, 0, 0x541C) == NOT_PERMITTED


@pytest.mark.parametrize(
    ("family", "verdict"),
    [
        (1, ALLOW),
        (2, ALLOW),
        (10, ALLOW),
        (16, ALLOW),
        (17, NO_SUCH_FAMILY),
        (38, NO_SUCH_FAMILY),
        (40, NO_SUCH_FAMILY),
    ],
)
def test_sockets_are_of_families_that_namespaces_hold(family, verdict):
    assert judged(41, family) == verdict


def test_nobody_makes_a_file_that_runs_as_its_owner():
    assert judged(90, 0, 0o755) == judged(268, 0, 0, 0o1777) == judged(2, 0, 0, 0o6777) == ALLOW
    assert (
        judged(90, 0, 0o4755)
        == judged(91, 0, 0o2755)
        == judged(268, 0, 0, 0o6711)
        == NOT_PERMITTED
    )
    assert judged(2, 0, 0o101, 0o4755) == judged(257, 0, 0, 0o102, 0o2755) == NOT_PERMITTED
    assert judged(257, 0, 0, 0o102, 0o755) == ALLOW
    assert judged(257, 0, 0, 0o20200001, 0o4755) == NOT_PERMITTED  # O_TMPFILE
    assert judged(257, 0, 0, 0o20200001, 0o755) == judged(2, 0, 0o200000, 0o4755) == ALLOW
    assert judged(437) == NO_SUCH_CALL


def test_calls_of_another_architecture_end_the_process():
    assert judged(1, architecture=0x40000003) == KILL
    assert judged(0x40000000 | 101) == NO_SUCH_CALL


def test_another_machine_has_other_numbers_or_no_filter():
    on_arm = {"machine": "aarch64", "architecture": ARM}
    assert judged(117, **on_arm) == judged(40, **on_arm) == NOT_PERMITTED
    assert judged(220, 0x10000000, **on_arm) == NOT_PERMITTED
    assert judged(172, **on_arm) == judged(165, **on_arm) == ALLOW
    assert filters.program("riscv64") is None
