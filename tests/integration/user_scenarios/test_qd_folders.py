"""`qd folder` as people use it: the real program in a real terminal of 80 columns, on a real cluster."""

import json

import pytest

LONG = "measurements-of-the-whole-decade-in-one-long-name"


async def seen(qd, *typed, code=0):
    """What a terminal shows of a command that ends with this code; no line is longer than 80."""
    async with qd.terminal("folder", *typed) as shown:
        assert await shown.ended() == code, shown.text
    assert max(map(len, shown.text.splitlines()), default=0) <= 80, shown.text
    return shown


async def test_folder_is_looked_at_in_a_terminal(qd, user, tmp_path):
    """Tables fit and say what a folder is. Make folders with long names, look at the list and at one."""
    await qd("folder", "create", LONG)
    (tmp_path / "x.txt").write_text("x")
    await qd("folder", "upload", LONG, str(tmp_path / "x.txt"))
    await qd("folder", "rename", LONG, f"{LONG}-2")
    listed = await seen(qd, "ls")
    assert listed.text.splitlines()[0].split() == [
        "ID",
        "NAME",
        "OWNER",
        "YOU",
        "MAY",
        "STATUS",
        "HOST",
        "AGE",
    ]
    row = listed.text.splitlines()[1].split()
    assert (row[1][:20], row[3:6]) == (LONG[:20], ["own", "READY", "local"])
    shown = await seen(qd, "show", row[0])
    assert f"owner      {user.view.name}" in shown.text
    assert [line.split()[0] for line in shown.text.splitlines()[-3:]] == [
        "CREATING",
        "READY",
        "READY",
    ]
    assert "renamed" in shown.text.splitlines()[-1]


async def test_folder_goes_to_the_trash_and_back_and_away(qd, observe):
    """What was removed by mistake comes back, and one is told how. Remove, list, restore, remove, purge; look at the rows."""
    await qd("folder", "create", "data")
    removed = await seen(qd, "rm", "data")
    assert "data  TRASHED" in removed.text
    assert "to have it back: qd folder restore data" in removed.text
    assert (await qd("folder", "ls", "--json")).json == []
    assert "data" in (await seen(qd, "ls", "--trash")).text
    assert "status     TRASHED" in (await seen(qd, "show", "data")).text
    assert "data  READY" in (await seen(qd, "restore", "data")).text
    await qd("folder", "rm", "data")
    assert "data  GONE" in (await seen(qd, "purge", "data")).text
    assert observe.rows("SELECT * FROM folders") == []
    assert "has the name or id 'data'" in (await seen(qd, "purge", "data", code=1)).text
    await qd("folder", "create", "data")
    assert (await qd("folder", "rm", "data", "--purge", "--json")).json["status"] == "GONE"
    assert observe.rows("SELECT * FROM folders") == []


async def test_folder_is_shared_between_two_terminals(qd, other_qd, user, other_user, tmp_path):
    """Sharing takes no ids. Share, look, accept, use, be refused, leave; and the other way: revoke."""
    me, them = user.view.name, other_user.view.name
    await qd("folder", "create", "data")
    (tmp_path / "x.txt").write_text("shared")
    await qd("folder", "upload", "data", str(tmp_path / "x.txt"))
    assert "may take it: qd folder accept" in (await seen(qd, "share", "data", them)).text
    assert "PENDING" in (await seen(other_qd, "invitations")).text
    assert "ACCEPTED" in (await seen(other_qd, "accept", f"{me}/data")).text
    assert "read" in (await seen(other_qd, "ls")).text.splitlines()[1]
    await other_qd("folder", "download", "data", "x.txt", str(tmp_path / "got"))
    assert (tmp_path / "got").read_text() == "shared"
    denied = await seen(other_qd, "mkdir", "data", "mine", code=1)
    assert "is shared with you to read only" in denied.text
    assert "ask its owner to share it for that" in denied.text
    refused = await other_qd("folder", "rm", "data", "--json", check=False)
    assert json.loads(refused.stderr)["error"]["code"] == "folder-permission-missing"
    assert "LEFT" in (await seen(other_qd, "reject", "data")).text
    await qd("folder", "share", "data", them, "--to", "write")
    await other_qd("folder", "accept", "data")
    await other_qd("folder", "mkdir", "data", "theirs")
    assert f"{them}" in (await seen(qd, "invitations", "data")).text
    assert f"{them}" in (await seen(qd, "show", "data")).text
    revoked = (await seen(qd, "revoke", "data", them)).text
    assert f"{me}/data for {them}, to write: REVOKED" in revoked
    assert "nothing new is copied after 20" in revoked
    assert "run on with it" not in revoked
    assert "has the name or id 'data'" in (await seen(other_qd, "ls", "data", code=1)).text
    assert f"data is {them}'s now" in (await seen(qd, "transfer", "data", them)).text
    assert (await other_qd("folder", "ls", "--json")).json[0]["permission"] == "own"


async def test_shared_folder_is_copied_to_mounted_and_taken_back(
    qd, other_qd, user, other_user, tmp_path
):
    """A shared folder is OWNER/NAME everywhere, and taking it back names what runs on. Copy to and fro, mount it, revoke."""
    shared, them = f"{user.view.name}/data", other_user.view.name
    (tmp_path / "x.txt").write_text("shared")
    await qd("folder", "create", "data")
    await qd("folder", "share", "data", them, "--to", "write")
    await other_qd("folder", "accept", shared)
    await other_qd("cp", str(tmp_path / "x.txt"), f"{shared}:theirs/")
    await other_qd("cp", f"{shared}:theirs/x.txt", str(tmp_path / "back"))
    assert (tmp_path / "back").read_text() == "shared"
    mount = ("--mount", f"{shared}:in:ro", "--name", "fit", "--wait")
    id_ = (await other_qd("session", "create", "python:3.11", *mount)).stdout.strip()
    revoked = (await seen(qd, "revoke", "data", them)).text
    assert f"sessions of {them} that run on with it:" in revoked
    assert revoked.splitlines()[-1].split() == [id_, "fit", "read"]
    await other_qd("session", "rm", "fit", "--wait")


async def test_files_are_arranged_and_found(qd, observe, tmp_path):
    """Directories, moves, clones and searches. Do each; look at the disk."""
    id_ = (await qd("folder", "create", "data")).stdout.strip()
    for name in ("a.csv", "b.csv", "c.txt"):
        (tmp_path / name).write_text(name)
        await qd("folder", "upload", "data", str(tmp_path / name))
    assert (await seen(qd, "mkdir", "data", "raw/2026")).text.strip() == "raw/2026/"
    assert (
        await seen(qd, "mv", "data", "a.csv", "raw/2026/a.csv")
    ).text.strip() == "raw/2026/a.csv"
    assert (await seen(qd, "cp", "data", "raw/2026", "tried")).text.strip() == "tried"
    assert observe.content(id_)["tried/a.csv"] == b"a.csv"
    await qd("folder", "rm", "data", "tried")
    taken = await seen(qd, "mv", "data", "b.csv", "raw/2026/a.csv", code=1)
    assert "take another path, or remove what is there" in taken.text
    assert (await qd("folder", "find", "data", "*.csv")).stdout.split() == [
        "b.csv",
        "raw/2026/a.csv",
    ]
    assert "there is more" in (await seen(qd, "find", "data", "*", "--limit", "1")).text
    assert set(observe.content(id_)) == {"raw/2026/a.csv", "b.csv", "c.txt"}
    copy = (await qd("folder", "clone", "data", "copy")).stdout.strip()
    assert observe.content(copy) == observe.content(id_)


async def test_session_mounts_a_part_to_read(qd, observe, tmp_path):
    """`--mount FOLDER:PATH:ro,subpath=DIRECTORY` is what it says. Run, look, try to write; `show` tells the mount."""
    await qd("folder", "create", "data")
    (tmp_path / "x.txt").write_text("x")
    await qd("folder", "upload", "data", str(tmp_path / "x.txt"), "raw/x.txt")
    how = "data:in:ro,subpath=raw"
    await qd("session", "create", "python:3.11", "--name", "fit", "--mount", how, "--wait")
    code = "import os; print(os.listdir('in')); open('in/y', 'w')"
    ran = await qd("session", "exec", "fit", "-c", code, check=False)
    assert (ran.stdout, "Read-only file system" in ran.stderr) == ("['x.txt']\n", True)
    shown = (await qd("session", "show", "fit")).stdout
    assert "/raw at in, to read only" in shown
    assert "end the sessions that mount it" in (await seen(qd, "rm", "data", code=1)).text


async def test_hosts_say_what_they_allow(private_cluster, qd, admin, observe):
    """Who is refused is told by whom. Take a permission away; look, and try."""
    assert "upload" in (await seen(qd, "hosts")).text
    await admin.folders.allow("local", "user", ["upload"])
    rows = [line.split() for line in (await seen(qd, "hosts")).text.splitlines()]
    assert ["local", "upload"] in rows
    refused = await seen(qd, "create", "data", code=1)
    assert "does not allow you to create" in refused.text
    denied = await qd("folder", "allow", "local", "user", "create", check=False)
    assert (denied.code, "administrator" in denied.stderr) == (1, True)


async def test_quota_is_told_and_what_to_do_when_it_is_used_up(qd, admin, user, tmp_path):
    """Who meets the limit knows where to look. Limit, upload too much, look; only administrators set it."""
    await admin.folders.limit(user.view.name, size=1 << 20, inodes=50)
    await qd("folder", "create", "data")
    (tmp_path / "big").write_bytes(b"x" * (2 << 20))
    full = await qd("folder", "upload", "data", str(tmp_path / "big"), check=False)
    assert (full.code, "ask an administrator for more" in full.stderr) == (1, True)
    told = (await seen(qd, "quota")).text
    assert f"{user.view.name} on local: " in told
    assert "of 1.0 MiB" in told
    assert "of 50 files" in told
    assert "administrator" in (await seen(qd, "quota", "--size", "2G", code=1)).text
    for wrong in (("--unlimited", "--files", "1"), ("--files", "-1"), ("--size", "2X")):
        await seen(qd, "quota", *wrong, code=2)


@pytest.mark.parametrize("action", ["", "rm", "share", "clone", "find", "allow", "invitations"])
async def test_help_has_examples_and_fits(qd, action):
    """Help is there where it is needed. Ask for it."""
    shown = await seen(qd, *filter(None, [action]), "--help")
    assert action == "" or "examples:" in shown.text
