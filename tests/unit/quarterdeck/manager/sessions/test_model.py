"""Decisions about kernels: what comes next, what an answer means, what an inventory says against the books."""

import pytest

from quarterdeck.manager.sessions import model
from quarterdeck.wire.agents import KernelExit, KernelView
from quarterdeck.wire.sessions import Slots
from quarterdeck.wire.states import KernelStatus, SessionType


def view(kernel, status=KernelStatus.RUNNING):
    return KernelView(id=kernel, session="s", status=status, slots=Slots())


@pytest.mark.parametrize(
    ("status", "step"),
    [
        (KernelStatus.SCHEDULED, model.Step.PULL),
        (KernelStatus.PULLING, model.Step.PULL),
        (KernelStatus.CREATING, model.Step.CREATE),
        (KernelStatus.RUNNING, model.Step.NOTHING),
        (KernelStatus.TERMINATING, model.Step.DESTROY),
        (KernelStatus.TERMINATED, model.Step.NOTHING),
    ],
)
def test_next_step_follows_from_the_status(status, step):
    assert model.next_step(status) is step


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (KernelStatus.SCHEDULED, model.Outcome.UNCLEAR),
        (KernelStatus.CREATING, model.Outcome.UNCLEAR),
        (KernelStatus.RUNNING, model.Outcome.RUNS),
        (KernelStatus.TERMINATING, model.Outcome.ENDED),
        (KernelStatus.TERMINATED, model.Outcome.ENDED),
    ],
)
def test_outcome_of_a_create_follows_from_the_kernels_status(status, outcome):
    assert model.after_create(status) is outcome


def test_refusal_is_final_unless_it_passes():
    assert model.after_refusal("kernel-failed") is model.Outcome.FAILED
    assert model.after_refusal("insufficient-capacity") is model.Outcome.UNCLEAR


def test_silence_is_asked_again_until_it_lasted_too_long():
    assert model.after_silence(0) is None
    assert model.after_silence(model.CREATE_SECONDS_MAX) is model.Reason.CREATE_TIMED_OUT


def test_inventory_that_agrees_has_no_findings():
    assert model.compare([model.Running("k")], {"k": view("k")}) == model.Findings((), ())


def test_missing_and_dead_kernels_end_and_others_are_strangers():
    inventory = {"dead": view("dead", KernelStatus.TERMINATED), "new": view("new")}
    assert model.compare(
        [model.Running("gone"), model.Running("dead")], inventory
    ) == model.Findings(
        (
            model.Ending("gone", model.End(model.Reason.KERNEL_MISSING)),
            model.Ending("dead", model.End(model.Reason.SELF_TERMINATED)),
        ),
        ("new",),
    )


@pytest.mark.parametrize(
    ("type_", "code", "reason"),
    [
        (SessionType.BATCH, 0, model.Reason.TASK_FINISHED),
        (SessionType.BATCH, 3, model.Reason.TASK_FAILED),
        (SessionType.BATCH, None, model.Reason.TASK_FAILED),
        (SessionType.INTERACTIVE, 0, model.Reason.SELF_TERMINATED),
        (SessionType.INFERENCE, 0, model.Reason.SELF_TERMINATED),
    ],
)
def test_kernel_that_ended_by_itself_ends_its_session_by_its_type(type_, code, reason):
    ended = KernelView(
        id="k",
        session="s",
        status=KernelStatus.TERMINATED,
        slots=Slots(),
        exit=KernelExit(code=code, signal=9 if code is None else None),
        reason="in words",
    )
    assert model.end_of(type_, ended) == model.End(reason, "in words", code)


@pytest.mark.parametrize(
    ("limit", "idle", "ends"),
    [(10, 10.0, True), (10, 9.9, False), (10, None, False), (None, 1e6, False)],
)
def test_session_that_nobody_uses_for_too_long_is_idle(limit, idle, ends):
    seen = KernelView(
        id="k", session="s", status=KernelStatus.RUNNING, slots=Slots(), idle_seconds=idle
    )
    found = model.compare([model.Running("k", idle_seconds=limit, session="s")], {"k": seen})
    said = model.End(model.Reason.IDLE_TIMEOUT, "not used for 10 seconds (idle_seconds)")
    assert found.ended == ()
    assert model.idle_out(found.idle) == ((model.Ending("k", said),) if ends else ())


def test_cluster_is_idle_when_all_its_kernels_are():
    one, two = (
        model.Running(kernel, idle_seconds=5, session="s", cluster_size=2) for kernel in "ab"
    )
    assert model.idle_out([one]) == ()
    assert [ending.kernel for ending in model.idle_out([one, two])] == ["a"]
