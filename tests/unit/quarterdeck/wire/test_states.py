"""The tables of transitions are sound: every state can be reached, terminal ones are never left, live ones can end."""

import pytest

from quarterdeck.wire import states

MACHINES = {
    "session": (
        states.SessionStatus,
        states.SESSION_TRANSITIONS,
        states.SESSION_INITIAL,
        states.SESSION_TERMINAL,
        states.SESSION_LIVE,
    ),
    "kernel": (
        states.KernelStatus,
        states.KERNEL_TRANSITIONS,
        states.KERNEL_INITIAL,
        states.KERNEL_TERMINAL,
        states.KERNEL_LIVE,
    ),
    "folder": (
        states.FolderStatus,
        states.FOLDER_TRANSITIONS,
        states.FOLDER_INITIAL,
        states.FOLDER_TERMINAL,
        states.FOLDER_LIVE,
    ),
}
machines = pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)


def reachable(start, transitions):
    found, new = {start}, {start}
    while new:
        new = {to for at, to in transitions if at in new} - found
        found |= new
    return found


@machines
def test_every_state_is_reached_from_the_first(machine):
    all_states, transitions, initial, _, _ = machine
    assert reachable(initial, transitions) == set(all_states)


@machines
def test_terminal_states_are_those_that_are_never_left(machine):
    all_states, transitions, _, terminal, live = machine
    assert terminal == set(all_states) - {at for at, _ in transitions}
    assert live == set(all_states) - terminal


@machines
def test_every_live_state_can_end(machine):
    _, transitions, _, terminal, live = machine
    assert all(reachable(state, transitions) & terminal for state in live)


@machines
def test_no_state_follows_itself(machine):
    assert all(at != to for at, to in machine[1])


def test_kernel_states_are_session_states():
    assert {state.value for state in states.KernelStatus} <= {
        state.value for state in states.SessionStatus
    }
