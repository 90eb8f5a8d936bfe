"""Random acts on trees of a local volume, compared step by step with a volume in memory, while proxies, uploads and kernels misbehave."""

import contextlib
import itertools
import secrets
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from quarterdeck.base.errors import QuarterdeckError
from quarterdeck.storage_proxy import errors, globs
from quarterdeck.storage_proxy.model import Limits
from quarterdeck.storage_proxy.volumes import local, quotas
from quarterdeck.testing.fakes.clock import FakeClock
from quarterdeck.testing.fakes.storage import FakeVolume
from quarterdeck.testing.volume_client import VolumeClient, at, stream
from quarterdeck.testing.volume_options import VOLUME_STEPS
from quarterdeck.wire.trees import QuotaLimits

STEPS_A_RUN = 50
TREE, OTHER, CLONE = (f"0195c0de-0000-7000-8000-00000000000{number}" for number in range(1, 4))
SCOPE = "somebody"
LIMITS = Limits(directory_entries_max=4, depth_max=5, copy_entries_max=10)
PATHS = st.lists(st.sampled_from("abcde"), min_size=1, max_size=4).map("/".join)
CONTENTS = st.lists(st.binary(max_size=300), max_size=3)
TREES = st.sampled_from([TREE, OTHER])
PATTERNS = st.sampled_from(["*", "b/**", "**/a", "[ab]"])


async def outcome(work):
    """What an act gives, or that it was refused."""
    try:
        return await work
    except QuarterdeckError:
        return "refused"


async def content(volume, tree):
    """All that is in a tree."""
    client = VolumeClient(volume, tree)
    return {
        name: None if name.endswith("/") else await client.read(name)
        for name in await client.names()
    }


class VolumeMachine(RuleBasedStateMachine):
    """Does each act with a real volume and in memory, and compares what comes of it."""

    place: SimpleNamespace

    def __init__(self):
        super().__init__()
        self.model = FakeVolume(self.place.clock, LIMITS)
        self.turns = itertools.cycle((0, 1))
        for tree in (TREE, OTHER):
            self.run(self.model.create_tree(tree))
            self.run(self.volume.create_tree(tree, SCOPE))

    @property
    def volume(self):
        """One storage-proxy's volume or the other's, by turns."""
        return self.place.volumes[next(self.turns)]

    def run(self, work):
        return self.place.runner.run(work)

    def files(self, tree):
        return self.place.root / "trees" / tree / "files"

    def teardown(self):
        self.place.clock.advance(quotas.COUNTED_SECONDS_MAX + 1)
        view = self.run(self.volume.quota(SCOPE))
        seen = [path for tree in (TREE, OTHER) for path in self.files(tree).rglob("*")]
        sizes = [path.stat().st_size for path in seen if path.is_file()]
        assert (view.bytes_used, view.inodes_used) == (sum(sizes), len(seen))
        for tree in (TREE, OTHER):
            self.run(self.volume.delete_tree(tree))

    def both(self, act):
        """Do it really and in memory: the outcomes must be alike, and what is there afterwards."""
        self.place.acts.append(act.__name__)
        assert self.run(outcome(act(self.volume))) == self.run(outcome(act(self.model)))
        for tree in (TREE, OTHER):
            assert self.run(content(self.volume, tree)) == self.run(content(self.model, tree))

    @rule(tree=TREES, path=PATHS, blocks=CONTENTS)
    def put(self, tree, path, blocks):
        async def put(volume):
            entry = await volume.put(tree, at(path), stream(*blocks))
            return entry.path, entry.size

        self.both(put)

    @rule(tree=TREES, path=PATHS, blocks=CONTENTS)
    def upload_breaks_off(self, tree, path, blocks):
        async def upload_breaks_off(volume):
            broken = stream(*blocks, error=errors.UploadIncomplete())
            await volume.put(tree, at(path), broken)

        self.both(upload_breaks_off)

    @rule(tree=TREES, path=PATHS)
    def mkdir(self, tree, path):
        async def mkdir(volume):
            return (await volume.mkdir(tree, at(path))).path

        self.both(mkdir)

    @rule(tree=TREES, path=PATHS)
    def delete(self, tree, path):
        async def delete(volume):
            await volume.delete(tree, at(path))

        self.both(delete)

    @rule(tree=TREES, here=PATHS, there=PATHS)
    def move(self, tree, here, there):
        async def move(volume):
            return (await volume.move(tree, at(here), at(there))).path

        self.both(move)

    @rule(tree=TREES, here=PATHS, there=PATHS)
    def copy(self, tree, here, there):
        async def copy(volume):
            return (await volume.copy(tree, at(here), at(there))).path

        self.both(copy)

    @rule(tree=TREES, path=PATHS)
    def stat(self, tree, path):
        async def stat(volume):
            entry = await volume.stat(tree, at(path))
            return entry.path, entry.kind, entry.size

        self.both(stat)

    @rule(tree=TREES, path=st.one_of(st.just(""), PATHS), pattern=PATTERNS)
    def search(self, tree, path, pattern):
        async def search(volume):
            found = await volume.search(tree, at(path), globs.parse(pattern), 1000)
            return sorted(entry.path for entry in found.items), found.more

        self.both(search)

    @rule(tree=TREES)
    def clone(self, tree):
        async def clone(volume):
            await volume.clone_tree(tree, CLONE, None)
            cloned = await content(volume, CLONE)
            await volume.delete_tree(CLONE)
            return cloned

        self.both(clone)

    @rule(tree=TREES, path=PATHS, data=st.binary(max_size=300))
    def kernel_writes(self, tree, path, data):
        """Write past the storage-proxies; the model is told."""
        with contextlib.suppress(OSError):
            (self.files(tree) / path).write_bytes(data)
            self.model.plant(tree, at(path), data)

    @rule()
    def proxy_restarts(self):
        """Close one volume and open it anew, as a storage-proxy that starts."""
        which = next(self.turns)
        self.place.volumes[which].close()
        self.place.volumes[which] = self.place.open()

    @rule(tree=TREES)
    def writer_died(self, tree):
        """Leave what a killed storage-proxy leaves: half a copy, and what it had reserved."""
        half = self.files(tree).parent / "staging" / secrets.token_hex(12)
        (half / "files").mkdir(parents=True)
        (half / "files" / "file").write_bytes(b"half")
        pending = self.place.root / "scopes" / SCOPE / "pending"
        if pending.exists():
            (pending / secrets.token_hex(12)).write_bytes((1 << 50).to_bytes(8, "little") * 2)


@pytest.fixture
def place(tmp_path, shakeout_runner):
    """Two storage-proxies' volumes on one directory, in a scope whose limits nobody reaches."""
    clock = FakeClock()

    def opened():
        return local.LocalVolume(tmp_path / "volume", clock, LIMITS)

    volumes = [opened(), opened()]
    shakeout_runner.run(volumes[0].limit(SCOPE, QuotaLimits(bytes=1 << 40, inodes=1 << 40)))
    yield SimpleNamespace(
        runner=shakeout_runner,
        root=tmp_path / "volume",
        clock=clock,
        open=opened,
        volumes=volumes,
        acts=[],
    )
    for volume in volumes:
        volume.close()


@pytest.mark.timeout(3600)
def test_volume_is_what_the_model_says(request, place):
    """Acceptance 7, for volumes: random acts through two proxies never differ from memory, and the count is the disk's in the end."""
    steps = request.config.getoption("volume_steps", VOLUME_STEPS)
    machine = type("Machine", (VolumeMachine,), {"place": place})
    run_state_machine_as_test(
        seed(request.config.getoption("shakeout_seed"))(machine),
        settings=settings(
            max_examples=max(1, steps // STEPS_A_RUN),
            stateful_step_count=STEPS_A_RUN,
            deadline=None,
            database=None,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        ),
    )
    request.node.user_properties.append(("acts", len(place.acts)))
    assert len(set(place.acts)) == 9
