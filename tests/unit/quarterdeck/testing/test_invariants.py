"""Judgements that compare what was seen in several places."""

import pytest

from quarterdeck.testing import invariants
from quarterdeck.testing.invariants import Seen
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


def test_kernels_of_two_zygotes_of_an_agent_are_told():
    processes = [
        KernelProcess(1, "a", "agent-1", 10),
        KernelProcess(2, "b", "agent-1", 11),
        KernelProcess(3, "c", "agent-2", 12),
    ]
    assert [thing for _, thing, _ in invariants.rivals(processes)] == ["agent-1"]


@pytest.mark.parametrize("away", [True, False])
def test_what_a_kernel_has_without_its_agent_is_told_only_when_that_is_back(away):
    seen = Seen([KernelProcess(1, "a", "agent")], {"a"}, set(), frozenset({"a"} if away else ()))
    assert (list(invariants.violations([], seen, [])) == []) == away


def test_folder_without_tree_and_tree_without_folder_are_told():
    found = list(invariants.strays({"a", "b"}, {"b", "c", "d"}, {"a", "b", "c"}))
    assert [(promise, thing) for promise, thing, _ in found] == [
        ("a folder has its tree", "a"),
        ("a tree has its folder", "d"),
    ]


KERNEL = ("kernel", "a", "agent", "")
RUNNING = ("running", "a", "agent", "")
FOLDER = ("ready", "f", "local", "")
TREE = ("tree", "f", "local", "")
ALL_THERE = Seen([KernelProcess(1, "a", "agent")], {"a"}, {"f"})
NOTHING_THERE = Seen([], set(), set())


@pytest.mark.parametrize("seen", [ALL_THERE, NOTHING_THERE])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], [KERNEL, RUNNING, FOLDER, TREE]),
        ([KERNEL, RUNNING, FOLDER, TREE], []),
        ([KERNEL, TREE], [KERNEL, TREE]),
    ],
)
def test_what_begins_or_ends_during_the_look_breaks_no_promise(before, seen, after):
    assert list(invariants.violations(before, seen, after)) == []


def test_what_is_settled_must_be_seen():
    rows = [KERNEL, RUNNING, FOLDER, TREE]
    told = {promise for promise, *_ in invariants.violations(rows, NOTHING_THERE, rows)}
    assert told == {
        "a running kernel has a process",
        "a running kernel has a scratch directory",
        "a folder has its tree",
    }


def test_what_is_seen_must_be_possible():
    told = {promise for promise, *_ in invariants.violations([], ALL_THERE, [])}
    assert told == {
        "a process has a live kernel",
        "a scratch directory has a live kernel",
        "a tree has its folder",
    }


def test_tree_counts_for_whose_folder_it_is():
    """What is being given away is left out by the query."""
    rows = [FOLDER, TREE, ("counted", "f", "local", "ada")]
    for scope, broken in (("ada", []), ("bob", ["a tree counts for whose folder it is"])):
        seen = Seen([], set(), {"f"}, scopes={"f": scope})
        told = [promise for promise, *_ in invariants.violations(rows, seen, rows)]
        assert told == broken
