"""A real agent process with real etcd and Redis: its API, its registration, its news."""

import asyncio
import json
import os
import signal
from typing import Any

import pytest
import redis.asyncio
from msgspec.structs import replace

from quarterdeck.base import ids
from quarterdeck.base.clock import SystemClock
from quarterdeck.testing import raw
from quarterdeck.testing import system as quarterdeck_system
from quarterdeck.testing.etcd_keys import EtcdKeys
from quarterdeck.wire import agents, events, signing
from quarterdeck.wire.agents import KernelMount
from quarterdeck.wire.executions import Execute
from quarterdeck.wire.sessions import Slots

RUN = "01a21870-66e6-75ea-a1b8-ecbdcac2e662"


async def test_a_kernel_from_request_to_end(agent, scratch):
    kernel = await agent.make(environment={"GREETING": "hello"})
    assert (kernel.status, kernel.reason) == ("RUNNING", None)
    done = await agent.execute(kernel.id, "import os\nprint(os.environ['GREETING'])\nos.getcwd()")
    assert (done.stdout, done.result) == ("hello\n", repr(str(scratch / kernel.id / "work")))
    assert await agent.logs(kernel.id) == "hello\n"
    listed = (await agent.inventory())[kernel.id]
    assert listed.idle_seconds is not None
    assert replace(listed, idle_seconds=None) == await agent.show(kernel.id) == kernel
    assert (await agent.destroy(kernel.id)).status == 204
    assert kernel.id not in await agent.inventory()
    assert not (scratch / kernel.id).exists()
    with pytest.raises(ProcessLookupError):
        os.kill(kernel.pid, 0)


async def test_a_kernel_comes_with_the_outcome_of_its_first_code(agent):
    """One request makes and runs, once. Ask twice for a kernel with code; the file that it writes says how often it ran."""
    kernel, first = ids.new(SystemClock()), Execute("open('ran', 'a').write('x')", run=RUN, wait=5)
    asked = agent.request(execute=first)
    for _ in range(2):
        made = agent.read(agents.KernelView, await agent.put(kernel, asked))
        assert (made.status, made.execution.result) == ("RUNNING", "1")
    assert (await agent.execute(kernel, "open('ran').read()")).result == "'x'"
    assert (await agent.look(kernel, RUN)).result == "1"


async def test_first_code_that_is_long_or_ends_the_kernel_is_answered_with_the_kernel(agent):
    """The answer does not wait for what goes on. Have code outlive its wait, then code that ends the kernel."""
    made = await agent.make(
        execute=Execute("import select; select.select([], [], [])", run=RUN, wait=0)
    )
    assert (made.status, made.execution.status) == ("RUNNING", "continued")
    ended = await agent.make(execute=Execute("import os; os._exit(3)", run=RUN, wait=5))
    assert (ended.status, ended.execution, ended.exit.code) == ("TERMINATED", None, 3)


async def test_the_environment_is_clean(agent, scratch, supervisor):
    kernel = await agent.make()
    shown = await agent.execute(kernel.id, "import os; dict(os.environ)")
    home = scratch / kernel.id
    found = eval(shown.result)
    assert found.pop("PATH").endswith(":/usr/local/bin:/usr/bin:/bin")
    assert found == {
        "HOME": str(home / "work"),
        "TMPDIR": str(home / "tmp"),
        "LANG": "C.UTF-8",
        "QD_KERNEL_ID": kernel.id,
        "SHAKEOUT_RUN": supervisor.run_id,
    }


async def test_create_is_the_same_again_and_refuses_another(agent):
    kernel, request = ids.new(SystemClock()), agent.request()
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(agent.put(kernel, request)) for _ in range(4)]
    assert len({task.result().body for task in asked}) == 1
    other = await agent.put(kernel, agent.request(session=request.session, slots=Slots(2, 256)))
    assert (other.status, other.code) == (409, "kernel-conflict")


async def test_destroy_is_the_same_again_and_a_late_create_is_refused(agent):
    kernel = ids.new(SystemClock())
    for _ in range(2):
        assert (await agent.destroy(kernel)).status == 204
    late = await agent.put(kernel, agent.request())
    assert (late.status, late.code) == (409, "kernel-terminated")


async def test_create_and_destroy_at_once_leave_nothing(agent, scratch):
    kernels = [ids.new(SystemClock()) for _ in range(6)]
    async with asyncio.TaskGroup() as group:
        for kernel in kernels:
            group.create_task(agent.put(kernel, agent.request()))
            group.create_task(agent.destroy(kernel))
    for kernel in kernels:
        await agent.destroy(kernel)
    assert not set(kernels) & set(await agent.inventory())
    assert not [kernel for kernel in kernels if (scratch / kernel).exists()]


async def test_a_kernel_that_dies_is_told_and_listed_until_destroyed(agent, cluster):
    kernel = await agent.make()
    async with redis.asyncio.Redis.from_url(
        cluster.address("redis"), decode_responses=True, socket_timeout=7
    ) as stream:
        newest = await stream.xrevrange(events.STREAM, count=1)
        os.kill(kernel.pid, signal.SIGKILL)
        since: Any = {events.STREAM: newest[0][0] if newest else "0"}
        read: Any = await stream.xread(since, block=5000)
        ((_, entries),) = read
    assert entries[0][1] == {"kind": "kernel-changed", "id": kernel.id}
    dead = await agent.show(kernel.id)
    assert (dead.status, dead.reason) == ("TERMINATED", "killed by signal 9 (SIGKILL)")
    assert (dead.exit.code, dead.exit.signal) == (None, 9)
    refused = await agent.run(kernel.id, "1")
    assert (refused.status, refused.code) == (409, "kernel-not-running")
    await agent.destroy(kernel.id)
    assert kernel.id not in await agent.inventory()


async def test_an_execution_in_a_kernel_that_dies_gets_its_end_in_words(agent):
    kernel = await agent.make()
    died = await agent.run(kernel.id, "import os; os._exit(3)")
    assert (died.status, died.code) == (409, "kernel-died")
    assert b"exited with code 3" in died.body


async def test_more_than_the_agent_has_is_refused_and_freed_slots_come_back(agent):
    first = await agent.make(slots=Slots(8, 256))
    for slots, field in ((Slots(1, 256), "slots.cpu"), (Slots(1, 9000), "slots.cpu")):
        refused = await agent.put(ids.new(SystemClock()), agent.request(slots=slots))
        assert (refused.status, refused.code) == (409, "insufficient-capacity")
        assert refused.field == field
    await agent.destroy(first.id)
    assert (await agent.make(slots=Slots(8, 256))).status == "RUNNING"


@pytest.mark.usefixtures("mounts")
async def test_a_folder_is_mounted(agent, tmp_path):
    kernel = await agent.make(mounts=(KernelMount(str(tmp_path), "data/in"),))
    await agent.execute(kernel.id, "open('data/in/new', 'w').write('written')")
    assert (tmp_path / "new").read_text() == "written"


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"image": "python:2.7"}, "image-not-found", "image"),
        ({"slots": Slots(1, 16)}, "invalid-field", "slots.memory_mib"),
        ({"mounts": (KernelMount("/nowhere", "x"),)}, "mount-source-missing", None),
        (
            {"mounts": (KernelMount("/tmp", "x"), KernelMount("/tmp", "x/y"))},
            "invalid-field",
            "mounts.1.path",
        ),
    ],
)
@pytest.mark.usefixtures("mounts")
async def test_what_cannot_be_made_is_refused_and_leaves_nothing(
    agent, scratch, changes, code, field
):
    kernel = ids.new(SystemClock())
    refused = await agent.put(kernel, agent.request(**changes))
    assert (refused.code, refused.field) == (code, field)
    assert kernel not in await agent.inventory()
    assert not (scratch / kernel).exists()


@pytest.mark.parametrize(
    ("method", "path", "body", "problem"),
    [
        ("GET", "/v1/kernels/x", b"", (400, "invalid-field", "id")),
        ("GET", f"/v1/kernels/{'0' * 8}-0000-0000-0000-{'0' * 12}", b"", (404, "kernel-not-found", None)),
        ("PUT", f"/v1/kernels/{'0' * 8}-0000-0000-0000-{'0' * 12}", b"{}", (400, "missing-field", "session")),
        ("POST", f"/v1/kernels/{'0' * 8}-0000-0000-0000-{'0' * 12}/complete", b'{"code": 1}', (400, "invalid-field", "code")),
        ("GET", "/v1/nothing", b"", (404, "route-not-found", None)),
        ("GET", "/v1/kernels?all=1", b"", (400, "unknown-field", "all")),
    ],
)  # fmt: skip
async def test_bad_requests_get_problems(agent, method, path, body, problem):
    answer = await agent.send(method, path, body)
    assert (answer.status, answer.code, answer.field) == problem


async def test_only_managers_pass(agent, cluster):
    wrong = await agent.send("GET", "/v1/kernels", changed={"Authorization": "Bearer x"})
    assert (wrong.status, wrong.code) == (401, "unauthenticated")
    signature = "QD1-HMAC-SHA256 Credential=somebody, Signature=" + "0" * 64
    wrong = await agent.send("GET", "/v1/kernels", changed={"Authorization": signature})
    assert (wrong.status, wrong.code) == (401, "signature-mismatch")


@pytest.mark.parametrize("audience", ["other", "", "agent-1"])
async def test_what_is_for_another_agent_is_refused(cluster, audience):
    """Behaviour 57: who calls an agent says which, and signs it."""
    url = cluster.address("agent.http")
    named = agents.url(audience, url) if audience else url
    async with raw.signed(named, "manager", quarterdeck_system.keys.agent) as send:
        refused = await send("DELETE", f"/v1/kernels/{ids.new(SystemClock())}")
        assert (refused.status, refused.code) == (421, "other-agent")
        assert (await send("GET", "/v1/kernels")).code == "other-agent"
        forged = await send("GET", "/v1/kernels", changed={signing.AUDIENCE_HEADER: "agent"})
        assert forged.code == "signature-mismatch"


async def test_it_is_registered_under_a_lease(cluster, namespaced):
    keys = EtcdKeys(cluster.address("etcd"))
    try:
        record = json.loads(keys.get("/quarterdeck/nodes/agent/agent") or b"null")
        assert record["address"] == agents.url("agent", cluster.address("agent.http"))
        assert record["slots"] == {"cpu": 8, "memory_mib": 8192}
        assert record["mounts"] == namespaced.mounts
        assert 0 < (keys.lease_of("/quarterdeck/nodes/agent/agent") or 0) <= 5
    finally:
        keys.close()
