"""Random acts of two users on folders, compared step by step with a model, while components die and come back."""

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from quarterdeck.client.errors import ClientError, Refused
from quarterdeck.client.folders import Folder
from quarterdeck.testing.folder_model import FolderModel, ModelFolder
from quarterdeck.testing.options import FOLDER_STEPS
from quarterdeck.wire.folders import Permission
from quarterdeck.wire.states import FolderStatus
from shakeout.waiting.until import until

SETTINGS = settings(
    max_examples=5,
    stateful_step_count=50,
    deadline=None,
    database=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)
BACK_SECONDS_MAX = 20
USERS = st.sampled_from(["ada", "bob"])
ACTORS = st.sampled_from(["owner", "owner", "other", "owner"])
NAMES = st.sampled_from(["one", "two", "three"])
PATHS = st.sampled_from(["a", "b", "d/a", "d/e/b"])
WHICH = st.sampled_from(range(64))
FAULTS = st.sampled_from([*[None] * 30, "manager", "storage-proxy", "away"])
SHARED = st.sampled_from([Permission.READ, Permission.WRITE, Permission.DELETE])
AWAY = {"storage-unreachable", "unavailable"}


class Platform:
    """What the machine acts on."""

    def __init__(self, runner, cluster, users, observe, scratch):
        self.run, self.cluster, self.users, self.observe = runner.run, cluster, users, observe
        self.scratch = scratch
        self.acts = 0


class FolderMachine(RuleBasedStateMachine):
    """Does each act on the platform and in the model, and compares what comes of it."""

    platform: Platform

    def __init__(self):
        super().__init__()
        self.model = FolderModel()
        self.handles, self.invitations = {}, {}

    @initialize()
    def begin(self):
        self.local = self.platform.scratch / "file"
        self.looked_at = self.platform.acts

    def teardown(self):
        for id_, folder in self.model.folders.items():
            if folder.status is not FolderStatus.GONE:
                self.act(self.handle(folder.owner, id_).delete())

    @rule(user=USERS, name=NAMES)
    def create(self, user, name):
        made = self.expect(self.model.create(user, name), self.client(user).folders.create(name))
        self.add(made, ModelFolder(user, name))

    @precondition(lambda self: self.model.folders)
    @rule(user=ACTORS, which=WHICH, name=NAMES)
    def rename(self, user, which, name):
        id_, user = self.pick(which, user)
        self.expect(self.model.rename(user, id_, name), self.handle(user, id_).rename(name))

    @precondition(lambda self: self.model.folders)
    @rule(user=ACTORS, which=WHICH, path=PATHS, content=st.binary(max_size=8))
    def write(self, user, which, path, content):
        id_, user = self.pick(which, user)
        self.local.write_bytes(content)
        refused = self.model.write(user, id_, path, content)
        self.expect(refused, self.handle(user, id_).upload(self.local, path))

    @precondition(lambda self: self.model.folders)
    @rule(user=ACTORS, which=WHICH, path=PATHS)
    def read(self, user, which, path):
        id_, user = self.pick(which, user)
        refused = self.model.read(user, id_, path)
        self.expect(refused, self.handle(user, id_).download(path, self.local))
        if refused is None:
            assert self.local.read_bytes() == self.model.folders[id_].files[path]

    @precondition(lambda self: self.model.folders)
    @rule(user=ACTORS, which=WHICH, path=PATHS)
    def remove(self, user, which, path):
        id_, user = self.pick(which, user)
        self.expect(self.model.remove(user, id_, path), self.handle(user, id_).remove(path))

    @precondition(lambda self: self.model.folders)
    @rule(user=ACTORS, which=WHICH, source=PATHS, to=PATHS)
    def move(self, user, which, source, to):
        id_, user = self.pick(which, user)
        if source != to:
            refused = self.model.move(user, id_, source, to)
            self.expect(refused, self.handle(user, id_).move(source, to))

    @precondition(lambda self: self.model.folders)
    @rule(user=ACTORS, which=WHICH, name=NAMES)
    def clone(self, user, which, name):
        id_, user = self.pick(which, user)
        files = dict(self.model.folders[id_].files)
        made = self.expect(self.model.clone(user, id_, name), self.handle(user, id_).clone(name))
        self.add(made, ModelFolder(user, name, files=files))

    @precondition(lambda self: self.model.folders)
    @rule(user=ACTORS, which=WHICH)
    def trash(self, user, which):
        id_, user = self.pick(which, user)
        self.expect(self.model.trash(user, id_), self.handle(user, id_).trash())

    @precondition(lambda self: self.model.folders)
    @rule(user=ACTORS, which=WHICH)
    def restore(self, user, which):
        id_, user = self.pick(which, user)
        self.expect(self.model.restore(user, id_), self.handle(user, id_).restore())

    @precondition(lambda self: self.model.folders)
    @rule(user=ACTORS, which=WHICH)
    def purge(self, user, which):
        id_, user = self.pick(which, user)
        self.expect(self.model.purge(user, id_), self.handle(user, id_).purge())

    @precondition(lambda self: self.model.folders)
    @rule(user=ACTORS, which=WHICH, permission=SHARED)
    def invite(self, user, which, permission):
        id_, user = self.pick(which, user)
        other = _other(user)
        refused = self.model.invite(user, id_, other, permission)
        name = self.client(other).view.name
        made = self.expect(refused, self.handle(user, id_).invite(name, permission))
        if made is not None:
            self.invitations[id_, other] = made.id

    @precondition(lambda self: self.open_invitations())
    @rule(which=WHICH)
    def accept(self, which):
        id_, user = self.open_invitations()[which % len(self.open_invitations())]
        folder = self.model.folders[id_]
        folder.shares[user] = folder.invited.pop(user)
        self.expect(None, self.client(user).folders.accept(self.invitations[id_, user]))

    @precondition(lambda self: self.live_invitations())
    @rule(by=USERS, which=WHICH)
    def end(self, by, which):
        id_, user = self.live_invitations()[which % len(self.live_invitations())]
        folder = self.model.folders[id_]
        refused = None if by in {user, folder.owner} else "invitation-not-found"
        if refused is None:
            folder.shares.pop(user, None)
            folder.invited.pop(user, None)
        self.expect(refused, self.client(by).folders.end(self.invitations[id_, user]))

    @precondition(lambda self: self.model.folders)
    @rule(user=ACTORS, which=WHICH)
    def transfer(self, user, which):
        id_, user = self.pick(which, user)
        other = _other(user)
        refused = self.model.transfer(user, id_, other)
        self.expect(refused, self.handle(user, id_).transfer(self.client(other).view.name))

    @rule(fault=FAULTS, which=WHICH, user=ACTORS)
    def fail(self, fault, which, user):
        """Let a component die and come back, now and then, or the storage be away during some acts."""
        if fault == "away":
            if self.model.folders:
                self.do_without_the_storage(*self.pick(which, user))
        elif fault is not None:
            self.act(self.platform.cluster.restart(fault))
            self.act(until(self._answers, within=BACK_SECONDS_MAX, retry_on=(ClientError,)))

    def do_without_the_storage(self, id_, user):
        """Nothing changes but what can without it, and what began ends when it is back."""
        self.act(self.platform.cluster.kill("storage-proxy"))
        for attempt in (
            self.client(user).folders.create("while-away"),
            self.handle(user, id_).clone("while-away"),
        ):
            with pytest.raises(ClientError):
                self.act(attempt)
        self.expect(self.model.trash(user, id_), self.handle(user, id_).trash())
        left = self.expect(self.model.purge(user, id_), self.handle(user, id_).purge())
        assert left is None or left.status == "DELETE_ERROR"
        self.act(self.platform.cluster.start("storage-proxy"))
        unsettled = (
            "SELECT count(*) FROM folders WHERE status = 'DELETE_ERROR' OR name = 'while-away'"
        )
        self.act(
            until(lambda: not self.platform.observe.value(unsettled), within=BACK_SECONDS_MAX)
        )
        self.act(until(self._answers, within=BACK_SECONDS_MAX, retry_on=(ClientError,)))

    @rule()
    def look(self):
        """Compare lists, and the bytes on disk, unless that was done just now."""
        if self.looked_at == self.platform.acts:
            return
        self.looked_at = self.platform.acts
        for user in ("ada", "bob"):
            for trash in (False, True):
                found = self.act(self.client(user).folders.list(trash=trash))
                seen = {one.id: (one.name, one.permission.value) for one in found}
                assert seen == self.model.listed(user, trash=trash)
        there = {
            id_: folder.files
            for id_, folder in self.model.folders.items()
            if folder.status is not FolderStatus.GONE
        }
        assert {id_: self.platform.observe.content(id_) for id_ in there} == there
        assert set(self.platform.observe.trees()) == set(there)

    def expect(self, refused, attempt):
        """Do something on the platform; it is refused by the same code as in the model, or not at all."""
        self.platform.acts += 1
        code, made = None, None
        try:
            made = self.act(attempt)
        except Refused as refusal:
            code = refusal.code
        assert code == refused
        return made

    def act(self, attempt):
        return self.platform.run(attempt)

    def add(self, made, folder):
        if made is not None:
            self.model.folders[made.id] = folder
            self.handles[folder.owner, made.id] = made

    def client(self, user):
        return self.platform.users[user]

    def handle(self, user, id_):
        """The folder in a user's hands, who may not see it at all."""
        mine = self.handles.get((user, id_))
        if mine is None:
            known = next(one for one in self.handles.values() if one.id == id_)
            mine = self.handles[user, id_] = Folder(self.client(user).transport, known.view)
        return mine

    def pick(self, which, actor):
        """A folder, now and then one that is gone, and the user who acts on it."""
        found = [id_ for id_, one in self.model.folders.items() if one.status != "GONE"]
        if which % 8 == 0 or not found:
            found = list(self.model.folders)
        id_ = found[which % len(found)]
        owner = self.model.folders[id_].owner
        return id_, owner if actor == "owner" else _other(owner)

    def open_invitations(self):
        return [
            (id_, user)
            for id_, folder in self.model.folders.items()
            if folder.status is not FolderStatus.GONE
            for user in folder.invited
        ]

    def live_invitations(self):
        shared = [
            (id_, user)
            for id_, folder in self.model.folders.items()
            if folder.status is not FolderStatus.GONE
            for user in folder.shares
        ]
        return shared + self.open_invitations()

    async def _answers(self):
        """Whether all is back: a folder can be made."""
        made = await self.client("ada").folders.create("probe")
        await made.delete()
        return True


def _other(user):
    return "bob" if user == "ada" else "ada"


@pytest.fixture
def acted_on(private_cluster, user, other_user, observe, shakeout_runner, tmp_path):
    """A cluster of its own with two users."""
    users = {"ada": user, "bob": other_user}
    return Platform(shakeout_runner, private_cluster, users, observe, tmp_path)


@pytest.mark.timeout(3600)
def test_folders_are_what_the_model_says(request, acted_on, rng):
    """Acceptance 7: random acts of two users, their refusals, the lists and the bytes on disk never differ from the model, with components dying."""
    steps = request.config.getoption("folder_steps", FOLDER_STEPS)
    machine = type("Machine", (FolderMachine,), {"platform": acted_on})
    while acted_on.acts < steps:
        run_state_machine_as_test(seed(rng.randrange(1 << 32))(machine), settings=SETTINGS)
    request.node.user_properties.append(("acts", acted_on.acts))
