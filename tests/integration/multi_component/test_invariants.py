"""What judges the platform after each test: it must see a platform that breaks its promises, and be silent about one that does not."""

import uuid

from quarterdeck.testing.invariants import Invariants
from shakeout.waiting.until import until


async def test_whole_platform_breaks_no_promise(private_cluster, user, observe):
    """A judge that cries wolf is not heard. Look all through the life of a session with a folder, then at its end."""
    judge = Invariants(private_cluster)
    folder = await user.folders.create("data")
    session = await user.sessions.create(mounts={"data": folder})
    for status in ("SCHEDULED", "CREATING", "RUNNING"):
        await session.reaches(status, within=10)
        assert await judge.snapshot() == {}
    await session.terminate()
    assert await judge.snapshot() == {}
    await session.reaches("TERMINATED", within=10)
    await folder.delete()
    await until(lambda: observe.trees() == {}, within=10)
    assert await judge.snapshot() == {}


async def test_broken_promises_are_seen(private_cluster, user, observe):
    """A judge that sleeps is worse than none. Break the database and the disk by hand, past the platform; each is told."""
    judge = Invariants(private_cluster)
    folder = await user.folders.create("data")
    session = await user.sessions.create()
    await session.reaches("RUNNING", within=10)
    kernel = observe.kernel(session.id)
    stray = str(uuid.uuid4())
    (observe.trees()[folder.id].parent.parent / stray / "files").mkdir(parents=True)
    (observe.scratch()[kernel].parent / stray).mkdir()
    for table in ("sessions", "kernels", "allocations"):
        observe.database.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    observe.database.execute("UPDATE allocations SET freed_at = now()")
    observe.database.execute("UPDATE agents SET cpu = 0")
    observe.database.execute("UPDATE sessions SET status = 'TERMINATED'")
    observe.database.execute("UPDATE users SET deleted_at = now() WHERE id = %s", [user.id])
    observe.database.execute(
        "INSERT INTO session_history (session_id, from_status, to_status, cause, actor)"
        " VALUES (%s, 'PENDING', 'TERMINATED', 'magic', 'test')",
        [session.id],
    )
    assert set(await judge.snapshot()) >= {
        f"slots freed when the kernel ends: {kernel}",
        f"a session that has ended has no live kernel: {session.id}",
        f"a folder has an owner: {folder.id}",
        f"history is a chain: {session.id}",
        "every step is legal: session PENDING -> TERMINATED",
        f"a tree has its folder: {stray}",
        f"a scratch directory has a live kernel: {stray}",
    }
