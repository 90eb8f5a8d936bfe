"""Judgements that compare what was seen in several places."""

from quarterdeck.testing import invariants
from quarterdeck.testing.kernels import KernelProcess


def test_illegal_steps_are_told_and_legal_ones_are_not():
    steps = [
        ("session", "PENDING", "SCHEDULED"),
        ("session", "PENDING", "RUNNING"),
        ("kernel", "TERMINATED", "RUNNING"),
    ]
    assert [thing for _, thing, _ in invariants.illegal(steps)] == [
        "session PENDING -> RUNNING",
        "kernel TERMINATED -> RUNNING",
    ]


def test_running_kernel_without_a_process_is_told():
    found = list(invariants.differences({"a", "b"}, {"b"}, {"a", "b"}, "process"))
    assert [(promise, thing) for promise, thing, _ in found] == [
        ("a running kernel has a process", "a")
    ]


def test_process_that_the_database_does_not_know_is_told():
    found = list(invariants.differences({"a"}, {"a", "b", "c"}, {"a", "b"}, "process"))
    assert [(promise, thing) for promise, thing, _ in found] == [
        ("a process has a live kernel", "c")
    ]


def test_orphan_is_told():
    processes = [KernelProcess(1, "a", "agent"), KernelProcess(2, "b", "orphan")]
    assert [thing for _, thing, _ in invariants.orphans(processes)] == ["b"]


def test_folder_without_tree_and_tree_without_folder_are_told():
    found = list(invariants.strays({"a", "b"}, {"b", "c", "d"}, {"a", "b", "c"}))
    assert [(promise, thing) for promise, thing, _ in found] == [
        ("a folder has its tree", "a"),
        ("a tree has its folder", "d"),
    ]
