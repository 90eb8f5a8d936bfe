"""Folders that several use: what a share allows and what it does not, what strangers learn, and what becomes of shares when the owner changes."""

import errno
import functools
from datetime import timedelta

import pytest

from quarterdeck.base.clock import SystemClock
from quarterdeck.client import api_folders
from quarterdeck.client.errors import Refused
from quarterdeck.testing import system, tenancy
from quarterdeck.testing.folder_acts import filled, refusal, shared
from quarterdeck.testing.folder_looks import status
from quarterdeck.testing.racing import together
from quarterdeck.testing.raw import bearer
from quarterdeck.wire import tokens
from quarterdeck.wire.folders import FolderView, InvitationView, MountingSession, StorageGrant
from quarterdeck.wire.states import SESSION_TERMINAL
from shakeout.waiting.until import until

NOBODYS = "0198c0de-0000-7000-8000-00000000dead"


async def told(attempt):
    """All that a refusal tells."""
    with pytest.raises(Refused) as refused:
        await attempt
    return (refused.value.status, refused.value.code, refused.value.detail, refused.value.field)


def shares(observe, folder):
    """State and permission of all invitations to the folder, in their order."""
    rows = observe.rows(
        "SELECT status, permission FROM folder_invitations WHERE folder_id = %s ORDER BY created_at",
        folder.id,
    )
    return [tuple(row.values()) for row in rows]


async def test_share_to_read_reads_and_ends_when_it_is_revoked(
    user, other_user, observe, tmp_path
):
    """Behaviour 39: invite to read, accept, write is denied; revoking cuts the next token and the next mount. Try with tokens and in kernels; look at disk and rows."""
    folder = await filled(user, tmp_path)
    invitation = await folder.invite(other_user.view.name, "read")
    assert [one.id for one in await other_user.folders.invitations()] == [invitation.id]
    assert shares(observe, folder) == [("PENDING", "read")]
    theirs = await other_user.folders.accept(invitation.id)
    assert shares(observe, folder) == [("ACCEPTED", "read")]
    await theirs.download("in.txt", tmp_path / "got.txt")
    assert (tmp_path / "got.txt").read_text() == "kept"
    assert await refusal(theirs.upload(tmp_path / "got.txt")) == "folder-permission-missing"
    assert await refusal(theirs.remove("in.txt")) == "folder-permission-missing"
    attempt = other_user.sessions.create(mounts={"data": theirs})
    assert await told(attempt) == (
        403,
        "folder-permission-missing",
        "The folder 'data' is shared with you to read only",
        "mounts.0.read_only",
    )
    session = await other_user.sessions.create(mounts={"data": theirs.mount(read_only=True)})
    await session.reaches("RUNNING", within=10)
    write = "try: open('data/new', 'w')\nexcept OSError as error: print(error.errno)"
    assert (await session.execute(write)).stdout == f"{errno.EROFS}\n"
    assert observe.content(folder.id) == {"in.txt": b"kept"}
    await user.folders.end(invitation.id)
    assert shares(observe, folder) == [("REVOKED", "read")]
    again = other_user.sessions.create(mounts={"data": theirs.mount(read_only=True)})
    for attempt in (theirs.grant("read"), again, theirs.refresh()):
        assert await refusal(attempt) == "folder-not-found"
    assert await other_user.folders.list() == []


async def test_ending_a_share_tells_what_goes_on(user, other_user, observe, tmp_path):
    """Behaviour 39: revoking is no promise that it does not keep. Share, give a token, mount, revoke: the answer names sessions and time; each is
    as it says; who leaves is told the same.
    """
    folder = await filled(user, tmp_path)
    invitation = await folder.invite(other_user.view.name, "write")
    theirs = await other_user.folders.accept(invitation.id)
    writes = await other_user.sessions.create(name="writes", mounts={"in": theirs})
    await writes.reaches("RUNNING", within=10)
    await user.sessions.create(mounts={"in": folder})
    granted = await theirs.grant("write")
    claims = tokens.verify(granted.token, system.keys.token, SystemClock().now())
    assert granted.seconds == tokens.SHARED_SECONDS
    ended = await user.folders.end(invitation.id)
    assert ended.sessions == (MountingSession(id=writes.id, name="writes", read_only=False),)
    assert claims.exp <= ended.tokens_until.timestamp()
    assert ended.tokens_until - SystemClock().now() <= timedelta(seconds=tokens.SHARED_SECONDS)
    assert (await writes.execute("open('in/late', 'w').write('x')")).status == "ok"
    assert observe.content(folder.id) == {"in.txt": b"kept", "late": b"x"}
    again = await shared(folder, other_user, "read")
    (seen,) = await other_user.folders.invitations()
    left = await other_user.folders.end(seen.id)
    assert (left.status, [one.id for one in left.sessions]) == ("LEFT", [writes.id])
    assert await refusal(again.grant("read")) == "folder-not-found"
    cancelled = await user.folders.end((await folder.invite(other_user.view.name)).id)
    assert (cancelled.status, cancelled.tokens_until) == ("CANCELLED", None)


async def test_only_who_owns_a_folder_has_a_token_for_long(user, other_user, admin, tmp_path):
    """Behaviour 39: what is revoked for the holder of a token ends soon. Ask for tokens as owner, administrator and with a share; compare their ends."""
    theirs = await shared(await filled(user, tmp_path), other_user, "delete")
    lasts = {}
    for name, client in {"owner": user, "admin": admin, "other": other_user}.items():
        granted = await (await client.folders.get(theirs.id)).grant("read")
        claims = tokens.verify(granted.token, system.keys.token, SystemClock().now())
        lasts[name] = granted.seconds
        assert claims.exp - SystemClock().now().timestamp() <= granted.seconds
    assert lasts == {
        "owner": tokens.TOKEN_SECONDS,
        "admin": tokens.TOKEN_SECONDS,
        "other": tokens.SHARED_SECONDS,
    }


async def test_session_that_waits_does_not_mount_what_was_revoked(
    user, other_user, observe, tmp_path
):
    """Behaviour 39: the next mount is cut even if it was asked for before. Let sessions wait, revoke; look at what becomes of each."""
    folder = await filled(user, tmp_path)
    invitation = await folder.invite(other_user.view.name, "read")
    theirs = await other_user.folders.accept(invitation.id)
    much = {"cpu": 1000, "memory_mib": 256}
    own = await other_user.folders.create("own")
    waiting = await other_user.sessions.create(
        slots=much, mounts={"a": own, "b": theirs.mount(read_only=True)}
    )
    unconcerned = await other_user.sessions.create(slots=much, mounts={"a": own})
    await user.folders.end(invitation.id)
    view = await waiting.refresh()
    assert (view.status, view.reason) == ("CANCELLED", "folder-not-shared")
    assert view.detail == "the folder data, which it mounts, is not shared any more"
    assert (await unconcerned.refresh()).status == "PENDING"
    assert observe.history(waiting.id)[-1] == ("PENDING", "CANCELLED")


async def test_session_does_not_mount_again_what_was_revoked(user, other_user, observe, tmp_path):
    """Behaviour 39: a restart is a next mount. Revoke what running sessions mount, share less of it, restart them; each runs on as it was."""
    folder = await filled(user, tmp_path)
    invitation = await folder.invite(other_user.view.name, "write")
    theirs = await other_user.folders.accept(invitation.id)
    writes = await other_user.sessions.create(mounts={"in": theirs})
    reads = await other_user.sessions.create(mounts={"in": theirs.mount(read_only=True)})
    for session in (writes, reads):
        await session.reaches("RUNNING", within=10)
    await user.folders.end(invitation.id)
    generations = "SELECT generation FROM kernels WHERE session_id = %s"
    for session in (writes, reads):
        assert await told(session.restart()) == (
            404,
            "folder-not-found",
            "What the session mounts at 'in' is not shared with its owner any more",
            None,
        )
        assert (await session.refresh()).status == "RUNNING"
        assert observe.value(generations, session.id) == 0
    await shared(folder, other_user, "read")
    assert await refusal(writes.restart()) == "folder-not-found"
    await reads.restart()
    assert observe.value(generations, reads.id) == 1
    await reads.reaches("RUNNING", within=10)


async def test_token_to_read_writes_nothing(user, other_user, cluster, observe, tmp_path):
    """Behaviour 39: what the manager grants is what the storage-proxy allows. Try every change with a token to read; look at the disk."""
    theirs = await shared(await filled(user, tmp_path), other_user, "read")
    granted = await theirs.grant("read")
    async with bearer(granted.url, granted.token) as send:
        for method, path, options in (
            ("PUT", "/client/v1/files/new.txt", {"data": b"x"}),
            ("PUT", "/client/v1/files/in.txt", {"data": b"x"}),
            ("DELETE", "/client/v1/files/in.txt", {"data": b""}),
            ("POST", "/client/v1/directories", {"json": {"path": "d"}}),
            ("POST", "/client/v1/moves", {"json": {"source": "in.txt", "target": "d"}}),
            ("POST", "/client/v1/copies", {"json": {"source": "in.txt", "target": "d"}}),
        ):
            answer = await send(method, path, **options)
            assert (answer.status, answer.code) == (403, "forbidden"), (method, path)
    assert observe.content(theirs.id) == {"in.txt": b"kept"}


ALLOWED = {
    "read": {"read", "mount to read", "clone"},
    "write": {"read", "mount to read", "clone", "write", "mount to write"},
    "delete": {"read", "mount to read", "clone", "write", "mount to write", "trash"},
}


@pytest.mark.parametrize("permission", ALLOWED)
async def test_share_allows_what_it_says_and_nothing_else(
    user, other_user, observe, tmp_path, permission
):
    """Behaviour 39: each permission allows its list. Try everything, the folder's end last; look at the row."""
    folder = await filled(user, tmp_path)
    theirs = await shared(folder, other_user, permission)
    denied = (403, "folder-permission-missing")
    tried = {
        "read": lambda: theirs.grant("read"),
        "write": lambda: theirs.grant("write"),
        "clone": lambda: theirs.clone("copy"),
        "mount to read": lambda: mounted(other_user, theirs.mount(read_only=True)),
        "mount to write": lambda: mounted(other_user, theirs.mount()),
        "rename": lambda: theirs.rename("other"),
        "invite": lambda: theirs.invite("admin"),
        "look at the invitations": theirs.invitations,
        "transfer": lambda: theirs.transfer(other_user.view.name),
        "purge": theirs.delete,
        "trash": theirs.trash,
    }
    for name, attempt in tried.items():
        if name in ALLOWED[permission]:
            await attempt()
        else:
            assert (await told(attempt()))[:2] == denied, name
    assert status(observe, folder) == ("TRASHED" if permission == "delete" else "READY")
    owner = observe.value("SELECT owner_id::text FROM folders WHERE id = %s", folder.id)
    assert owner == user.id
    assert (await folder.refresh()).name == "data"


async def mounted(user, mount):
    """Make a session with a mount, and end it."""
    session = await user.sessions.create(mounts={"data": mount})
    await session.terminate()
    await until(session.refresh, within=10, satisfied=lambda view: view.status in SESSION_TERMINAL)


async def test_strangers_cannot_tell_what_there_is(user, other_user, tmp_path):
    """Not found and not permitted look the same. Compare what is said of a folder and an invitation of others, and of none."""
    folder = await filled(user, tmp_path)
    invitation = await folder.invite("admin")
    for act in (
        lambda id_: other_user.folders.get(id_),
        lambda id_: other_user.call(api_folders.grant(id_, "read"), StorageGrant),
        lambda id_: other_user.call(api_folders.rename_folder(id_, "x"), FolderView),
        lambda id_: other_user.call(api_folders.clone_folder(id_, "x"), FolderView),
        lambda id_: other_user.call(api_folders.delete_folder(id_), FolderView),
        lambda id_: other_user.call(api_folders.delete_folder(id_, purge=True), FolderView),
        lambda id_: other_user.call(api_folders.restore_folder(id_), FolderView),
        lambda id_: other_user.call(api_folders.purge_folder(id_), FolderView),
        lambda id_: other_user.call(api_folders.transfer_folder(id_, "admin"), FolderView),
        lambda id_: other_user.call(api_folders.invite(id_, "admin", "read"), InvitationView),
        lambda id_: other_user.call(api_folders.invitations_of(id_), FolderView),
        lambda id_: other_user.call(api_folders.folder_history(id_), FolderView),
        lambda id_: other_user.sessions.create(mounts={"data": id_}),
    ):
        assert await told(act(folder.id)) == await told(act(NOBODYS))
    for request in (
        api_folders.get_invitation,
        api_folders.accept_invitation,
        api_folders.reject_invitation,
        api_folders.end_invitation,
    ):
        mine, none = request(invitation.id), request(NOBODYS)
        assert await told(other_user.call(mine, InvitationView)) == await told(
            other_user.call(none, InvitationView)
        )


async def test_invitation_is_answered_once(user, other_user, observe, tmp_path):
    """Accept, reject, cancel, revoke and leave, each at its time. Go through them and look at the rows; the wrong one is refused."""
    folder = await filled(user, tmp_path)
    name, theirs = other_user.view.name, other_user.folders
    one = await folder.invite(name, "write")
    assert await refusal(folder.invite(name)) == "invitation-exists"
    assert await refusal(user.folders.accept(one.id)) == "illegal-transition"
    assert (await theirs.reject(one.id)).status == "REJECTED"
    assert await refusal(theirs.accept(one.id)) == "illegal-transition"
    two = await folder.invite(name)
    assert (await user.folders.end(two.id)).status == "CANCELLED"
    assert await refusal(theirs.accept(two.id)) == "illegal-transition"
    three = await folder.invite(name, "delete")
    assert (await theirs.accept(three.id)).view.permission == "delete"
    assert await refusal(theirs.reject(three.id)) == "illegal-transition"
    assert (await theirs.end(three.id)).status == "LEFT"
    assert await refusal(user.folders.end(three.id)) == "illegal-transition"
    for attempt in (folder.invite("nobody-at-all"), folder.transfer("nobody-at-all")):
        assert await refusal(attempt) == "user-not-found"
    for attempt in (folder.invite(user.view.name), folder.invite(name, "own")):
        assert await refusal(attempt) == "invalid-field"
    assert shares(observe, folder) == [
        ("REJECTED", "write"),
        ("CANCELLED", "read"),
        ("LEFT", "delete"),
    ]


@pytest.mark.parametrize("ended_by", ["user", "other_user"])
async def test_ended_invitation_tells_nothing_new_of_the_folder(
    user, other_user, admin, tmp_path, ended_by
):
    """Behaviour 39: who has a share no more learns nothing more. End it from each side, rename the folder and give it away; look at the invitation."""
    folder = await filled(user, tmp_path)
    live = await folder.invite("admin")
    invitation = await folder.invite(other_user.view.name)
    theirs = await other_user.folders.accept(invitation.id)
    await folder.rename("renamed")
    request = api_folders.get_invitation(invitation.id)
    assert (await other_user.call(request, InvitationView)).folder_name == "renamed"
    await {"user": user, "other_user": other_user}[ended_by].folders.end(invitation.id)
    await folder.rename("secret")
    await folder.transfer("admin")
    seen = await other_user.call(request, InvitationView)
    assert (seen.folder_name, seen.owner) == ("renamed", user.view.name)
    assert await refusal(theirs.refresh()) == "folder-not-found"
    given = await admin.call(api_folders.get_invitation(live.id), InvitationView)
    assert given.status == "CANCELLED"
    back = await admin.folders.get(folder.id)
    await back.transfer(user.view.name)


async def test_acceptance_and_revocation_that_race_end_one_way(
    user, other_user, observe, tmp_path
):
    """A share is there or not, and tokens agree with it. Accept and cancel at once, many times."""
    folder = await filled(user, tmp_path)
    for number in range(6):
        invitation = await folder.invite(other_user.view.name)
        acts = [
            functools.partial(other_user.folders.accept, invitation.id),
            functools.partial(user.folders.end, invitation.id),
        ]
        await together(acts, first=number)
        row = observe.value("SELECT status FROM folder_invitations WHERE id = %s", invitation.id)
        assert row in {"CANCELLED", "REVOKED"}
        assert await refusal(other_user.folders.get(folder.id)) == "folder-not-found"


async def test_shares_and_invitations_outlive_a_transfer(
    user, other_user, admin, cluster, observe, tmp_path
):
    """#10531: after a transfer shares and open invitations are right, and the new owner has the say. Transfer; accept, use, revoke; look at rows."""
    folder = await filled(user, tmp_path)
    async with tenancy.tenant(cluster, "third") as third:
        open_one = await folder.invite(third.view.name, "read")
        share = await folder.invite(other_user.view.name, "delete")
        theirs = await other_user.folders.accept(share.id)
        await folder.transfer(other_user.view.name)
        assert (await theirs.refresh()).permission == "own"
        for attempt in (folder.refresh(), folder.grant("read"), folder.invite(third.view.name)):
            assert await refusal(attempt) == "folder-not-found"
        assert await refusal(user.folders.end(open_one.id)) == "invitation-not-found"
        (seen,) = await third.folders.invitations()
        assert (seen.owner, seen.inviter) == (other_user.view.name, user.view.name)
        got = await third.folders.accept(open_one.id)
        await got.download("in.txt", tmp_path / "got.txt")
        assert (tmp_path / "got.txt").read_text() == "kept"
        assert shares(observe, folder) == [("ACCEPTED", "read"), ("REVOKED", "delete")]
        await other_user.folders.end(open_one.id)
        assert await refusal(got.grant("read")) == "folder-not-found"
    actors = (
        "SELECT actor, cause FROM folder_history WHERE folder_id = %s ORDER BY seq DESC LIMIT 1"
    )
    assert tuple(observe.rows(actors, folder.id)[0].values()) == (user.id, "transferred")
    back = await other_user.folders.get(folder.id)
    await back.transfer(user.view.name)
    assert (await folder.refresh()).owner == user.id


async def test_folder_that_is_mounted_or_named_like_another_is_not_given_away(
    user, other_user, observe, tmp_path
):
    """A transfer takes nothing from under a session, and names stay unique. Transfer while mounted, and to who has one of its name."""
    folder = await filled(user, tmp_path)
    session = await user.sessions.create(mounts={"data": folder.mount(read_only=True)})
    await session.reaches("RUNNING", within=10)
    assert await refusal(folder.transfer(other_user.view.name)) == "folder-mounted"
    await session.terminate()
    await session.reaches("TERMINATED", within=10)
    await other_user.folders.create("data")
    assert await refusal(folder.transfer(other_user.view.name)) == "folder-name-taken"
    assert (await folder.refresh()).owner == user.id


async def test_administrators_mounts_have_the_right_they_ask_for(user, cluster, observe, tmp_path):
    """#4217: an administrator mounts a folder of others to write or to read, as asked. Write in both; look at the disk."""
    folder = await filled(user, tmp_path)
    async with tenancy.administrator(cluster) as admin:
        seen = await admin.folders.get(folder.id)
        session = await admin.sessions.create(
            mounts={"rw": seen, "ro": seen.mount(read_only=True)}
        )
        await session.reaches("RUNNING", within=10)
        write = "try: open('{}/new', 'w').write('x')\nexcept OSError as error: print(error.errno)"
        assert (await session.execute(write.format("ro"))).stdout == f"{errno.EROFS}\n"
        assert observe.content(folder.id) == {"in.txt": b"kept"}
        assert (await session.execute(write.format("rw"))).stdout == ""
        assert observe.content(folder.id) == {"in.txt": b"kept", "new": b"x"}
        await session.terminate()
        await session.reaches("TERMINATED", within=10)


def takes(user, folder):
    """What takes which permission of the storage host."""
    return {
        "create": lambda: user.folders.create("other"),
        "modify": lambda: folder.rename("other"),
        "download": lambda: folder.grant("read"),
        "upload": lambda: folder.grant("write"),
        "mount": lambda: user.sessions.create(mounts={"data": folder}),
        "invite": lambda: folder.invite("admin"),
        "delete": folder.trash,
    }


async def test_storage_host_allows_to_a_role_what_is_written_down(
    private_cluster, user, other_user, admin, observe, tmp_path
):
    """Hosts have permissions per role. Take them away one by one; try what each is for, as user and as administrator; look at the row."""
    folder = await filled(user, tmp_path)
    everything = {view.name: set(view.permissions) for view in await user.folders.hosts()}["local"]
    assert everything == set(takes(user, folder))
    for taken, attempt in takes(user, folder).items():
        left = sorted(everything - {taken})
        assert await refusal(user.folders.allow("local", "user", left)) == "forbidden"
        await admin.folders.allow("local", "user", left)
        assert await refusal(attempt()) == "host-forbids", taken
        assert {view.name: list(view.permissions) for view in await user.folders.hosts()}[
            "local"
        ] == left
    assert await refusal(admin.folders.allow("moon", "user", [])) == "host-not-found"
    assert await refusal(admin.folders.allow("local", "king", [])) == "invalid-field"
    assert (await admin.folders.create("mine")).view.status == "READY"
    assert observe.rows("SELECT * FROM folders WHERE name = 'other'") == []
    assert (await folder.refresh()).status == "READY"
