"""Why a session waits, in exact words: for others, for an agent that can have it at all, for slots that are in use."""

from dataclasses import replace

import pytest

from quarterdeck.manager.sessions import outlook
from quarterdeck.manager.sessions.outlook import Outlook, Situation, Unmet
from quarterdeck.testing.fakes import views
from quarterdeck.wire.images import PullProgress
from quarterdeck.wire.sessions import KernelRole, SessionKernel, Slots
from quarterdeck.wire.states import KernelStatus, SessionStatus

FREE = Situation(
    Slots(4, 512),
    agents=2,
    alive=2,
    open=2,
    able=2,
    cpu_most=8,
    cpu_most_agent="i-1",
    memory_most=4096,
    memory_most_agent="i-2",
    cpu_free=8,
    cpu_free_agent="i-1",
    memory_free=4096,
    memory_free_agent="i-2",
    capacity=3,
    room=3,
)


@pytest.mark.parametrize(
    ("changes", "reason", "detail"),
    [
        ({}, "queued", "is about to be placed"),
        (
            {"cpu_free": 2, "cpu_free_agent": "i-3", "room": 0},
            "no-room",
            "waits for slots: wants 4 cores, the most free is 2 on agent i-3",
        ),
        (
            {"memory_free": 256, "room": 0},
            "no-room",
            "waits for slots: wants 512 MiB of memory, the most free is 256 on agent i-2",
        ),
        (
            {"room": 0},
            "no-room",
            "waits for slots: wants 4 cores and 512 MiB, no agent has both free",
        ),
        (
            {"cluster_size": 3, "room": 2},
            "no-room",
            "waits for slots: wants 3 kernels of 4 cores and 512 MiB, there is room for 2",
        ),
        (
            {"slots": Slots(1000, 512), "capacity": 0},
            "too-large",
            "fits on no agent: wants 1000 cores, the largest agent, i-1, has 8",
        ),
        (
            {"slots": Slots(1, 9999), "capacity": 0},
            "too-large",
            "fits on no agent: wants 9999 MiB of memory, the largest agent, i-2, has 4096",
        ),
        (
            {"capacity": 0},
            "too-large",
            "fits on no agent: wants 4 cores and 512 MiB on one agent, none has both",
        ),
        (
            {"slots": Slots(1, 512), "cluster_size": 9},
            "too-large",
            "fits on no agent: wants 9 kernels of 1 core and 512 MiB, agents have the slots of 3",
        ),
        ({"agents": 0, "able": 0}, "no-agent", "there is no agent"),
        ({"alive": 0, "able": 0}, "no-agent", "no agent is alive: of 2, all are lost"),
        (
            {"open": 0, "able": 0},
            "no-schedulable-agent",
            "no agent takes new sessions: of 2 alive, none is schedulable",
        ),
        (
            {
                "able": 0,
                "runs": 2,
                "isolation": "namespaced",
                "isolations": ("process",),
            },
            "no-isolation",
            "no agent keeps it apart so well: it wants namespaced, agents have process",
        ),
        (
            {"able": 0, "runs": 2, "isolated": 1},
            "no-mounts",
            "no agent that would do can mount folders",
        ),
        (
            {"able": 0, "architectures": ("arm64", "riscv64"), "offered": ("amd64",)},
            "no-architecture",
            "no agent has this architecture: its image is for arm64 or riscv64, agents have amd64",
        ),
        (
            {"unmet": (Unmet("1", None, "RUNNING"), Unmet("2", "two", "PENDING")), "room": 0},
            "dependencies",
            "waits for session 1, which is RUNNING and session two (2), which is PENDING",
        ),
        (
            {"unmet": tuple(Unmet(one, None, "PENDING") for one in "12345")},
            "dependencies",
            (
                "waits for session 1, which is PENDING and session 2, which is PENDING"
                " and session 3, which is PENDING and 2 more"
            ),
        ),
    ],
)
def test_a_session_that_waits_says_why(changes, reason, detail):
    assert outlook.of(replace(FREE, **changes)) == Outlook(reason, detail)


@pytest.mark.parametrize(
    ("status", "kernels", "detail"),
    [
        (SessionStatus.SCHEDULED, "S", "has its place on agent i-1; its start is next"),
        (SessionStatus.PULLING, "P", "its image is being pulled on agent i-1: layer 3 of 5, 50 %"),
        (SessionStatus.PULLING, "S", "its image is being pulled on agent i-1"),
        (SessionStatus.CREATING, "C", "its kernel is being made on agent i-1"),
        (
            SessionStatus.CREATING,
            "RC",
            "its kernels are being made on agents i-1, i-2, 1 of 2 run",
        ),
        (SessionStatus.CREATING, "RRCC", "its kernels are being made on 4 agents, 2 of 4 run"),
        (SessionStatus.RUNNING, "R", None),
        (SessionStatus.PENDING, "", None),
    ],
)
def test_a_session_that_starts_says_how_far_it_is(status, kernels, detail):
    states = {
        "S": KernelStatus.SCHEDULED,
        "P": KernelStatus.PULLING,
        "C": KernelStatus.CREATING,
        "R": KernelStatus.RUNNING,
    }
    view = views.session(
        status,
        *(
            SessionKernel(
                id=str(at),
                role=KernelRole.SUB,
                index=at,
                hostname=f"sub{at}",
                agent=f"i-{at}",
                status=states[letter],
            )
            for at, letter in enumerate(kernels, 1)
        ),
        cluster_size=len(kernels),
        pull=PullProgress(1, 2, 3, 5) if "P" in kernels else None,
    )
    found = outlook.of_start(view)
    assert (found.detail if found else None) == detail
    assert found is None or found.shown(view).detail == detail
