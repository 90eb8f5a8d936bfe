"""Specs on their way to the zygote, and the end of a process in words."""

import json

import pytest

from quarterdeck.agent.kernels.spec import Bind, Exit, KernelSpec


def test_a_spec_survives_its_way():
    binds = (Bind("/a", "b"), Bind("/c", "d/e", read_only=True))
    spec = KernelSpec("id", "/scratch/id", {"A": "\N{SNOWMAN}"}, binds, (0, 3), 2**30)
    assert KernelSpec.decode(json.loads(spec.encode())) == spec


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0x0000, "exited with code 0"),
        (0x0300, "exited with code 3"),
        (0x0009, "killed by signal 9 (SIGKILL)"),
        (0x008B, "killed by signal 11 (SIGSEGV)"),
        (0x0028, "killed by signal 40 (unknown)"),
        (0x7900, "ended because its code closed the kernel's control channel"),
    ],
)
def test_the_end_of_a_process_in_words(status, words):
    assert str(Exit.from_status(status)) == words


def test_an_end_without_a_status():
    assert str(Exit()) == "killed with all its processes"
