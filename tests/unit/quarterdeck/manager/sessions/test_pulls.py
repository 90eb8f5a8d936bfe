"""An image comes before the kernels of its session: what its agent says of the pull, and what becomes of the session."""

import pytest

from quarterdeck.manager.sessions import errors, model
from quarterdeck.manager.sessions.lanes import Lanes
from quarterdeck.manager.sessions.lifecycle import Lifecycle
from quarterdeck.manager.sessions.pulls import PULL_SECONDS_MAX, ImagePulls
from quarterdeck.testing.fakes.images import FakeSecrets
from quarterdeck.testing.fakes.manager import FakeBooks, FakeKernels, Recorder, kernel_of
from quarterdeck.testing.fakes.pulls import FakeAgentImages
from quarterdeck.wire.agents import PullStatus
from quarterdeck.wire.states import KernelStatus
from quarterdeck.wire.states import SessionStatus as S

DIGEST = f"sha256:{'a' * 64}"


class World:
    """A lifecycle on fakes, and a session of an image in it."""

    def __init__(self, size=1):
        self.books, self.kernels, self.news = FakeBooks(), FakeKernels(), Recorder()
        self.images, self.secrets = FakeAgentImages(), FakeSecrets(word="hush")
        pulls = ImagePulls(self.images, self.secrets)
        lanes = Lanes(at_once_max=4)
        self.lifecycle = Lifecycle(self.books, self.kernels, self.news, lanes, pulls=pulls)
        self.books.digest = DIGEST
        self.books.set("s", S.SCHEDULED, size=size)
        self.size = size

    async def step(self):
        await self.lifecycle.sweep()
        for _ in range(self.size):
            await self.lifecycle.work()

    def full_for(self, times):
        """Have the agent let go of the image at so many creations."""
        self.kernels = FullAgent(self.images.images, times)
        lanes, pulls = Lanes(at_once_max=4), ImagePulls(self.images, self.secrets)
        self.lifecycle = Lifecycle(self.books, self.kernels, self.news, lanes, pulls=pulls)

    @property
    def detail(self):
        return str(self.books.ends["s"].detail)

    @property
    def past(self):
        return [status for _, status in self.books.past]


async def test_image_that_is_there_is_not_pulled():
    world = World()
    world.images.goes(DIGEST, PullStatus.READY)
    await world.step()
    assert world.past == [S.SCHEDULED, S.CREATING, S.RUNNING]
    assert world.images.calls == ["pull"]


async def test_image_is_pulled_first_and_its_progress_is_kept():
    world = World()
    await world.step()
    assert world.past == [S.SCHEDULED, S.PULLING]
    world.images.goes(DIGEST, PullStatus.PULLING)
    await world.step()
    assert world.books.pulls[-1].bytes_done == 100
    assert world.kernels.calls == []
    world.images.goes(DIGEST, PullStatus.READY)
    await world.step()
    assert world.past == [S.SCHEDULED, S.PULLING, S.CREATING, S.RUNNING]
    assert world.images.calls == ["pull", "image", "image"]


async def test_agent_gets_the_password_and_the_place():
    world = World()
    await world.step()
    (source,) = world.images.sources
    assert (source.registry, source.repository) == ("http://hub", "team/tool")
    assert (source.username, source.password) == ("ada", "hush")


async def test_pull_that_fails_ends_the_session_with_the_reason_in_words():
    world = World()
    await world.step()
    world.images.goes(DIGEST, PullStatus.FAILED, "the registry has no such blob")
    await world.step()
    assert world.past == [S.SCHEDULED, S.PULLING, S.TERMINATING, S.TERMINATED]
    assert world.books.reason["s"] is model.Reason.PULL_FAILED
    assert "the registry has no such blob" in world.detail
    assert ("ended", "s") in world.news.told


async def test_failed_pull_is_seen_and_not_begun_anew():
    """Asking again would begin it anew: the failure would never be told."""
    world = World()
    await world.step()
    world.images.goes(DIGEST, PullStatus.FAILED, "no")
    await world.step()
    assert world.images.calls.count("pull") == 1


async def test_agent_that_has_forgotten_the_pull_is_asked_anew():
    world = World()
    await world.step()
    world.images.images.clear()
    await world.step()
    assert world.images.calls == ["pull", "image", "pull"]
    world.images.goes(DIGEST, PullStatus.READY)
    await world.step()
    assert world.books.status["s"] is S.RUNNING


@pytest.mark.parametrize(
    "failure", [errors.AgentUnreachable(), errors.AgentUnsure(), TimeoutError()]
)
async def test_silence_is_asked_again(failure):
    world = World()
    world.images.failures["pull"] = [failure]
    await world.step()
    assert world.past == [S.SCHEDULED]
    assert world.books.released == ["s"]
    await world.step()
    assert world.past == [S.SCHEDULED, S.PULLING]


async def test_silence_for_too_long_ends_the_session():
    world = World()
    world.books.status_seconds = model.CREATE_SECONDS_MAX
    world.images.failures["pull"] = [errors.AgentUnreachable()]
    await world.step()
    assert world.books.reason["s"] is model.Reason.PULL_FAILED
    assert "no answer" in world.detail


async def test_pull_that_takes_for_ever_ends_the_session():
    world = World()
    await world.step()
    world.books.status_seconds = PULL_SECONDS_MAX
    await world.step()
    assert "too long" in world.detail


async def test_refusal_that_passes_is_asked_again():
    world = World()
    world.images.failures["pull"] = [errors.AgentRefused("unavailable", "not now")]
    await world.step()
    assert world.books.status["s"] is S.SCHEDULED


async def test_refusal_for_good_and_a_secret_that_is_gone_end_the_session():
    for change in ("refused", "secret"):
        world = World()
        if change == "refused":
            world.images.failures["pull"] = [errors.AgentRefused("image-unusable", "odd")]
        else:
            world.secrets.secrets.clear()
        await world.step()
        assert world.books.reason["s"] is model.Reason.PULL_FAILED


async def test_each_kernel_of_a_cluster_has_its_image_first():
    world = World(size=3)
    await world.step()
    assert world.images.calls == ["pull"] * 3
    assert world.past == [S.SCHEDULED, S.PULLING]
    world.images.goes(DIGEST, PullStatus.READY)
    await world.step()
    assert world.past == [S.SCHEDULED, S.PULLING, S.CREATING, S.RUNNING]
    assert len(world.kernels.calls) == 3


class FullAgent(FakeKernels):
    """An agent that lets go of an image before the kernel is made, so many times."""

    def __init__(self, images, times):
        super().__init__()
        self._images, self._times = images, times

    async def create(self, address, kernel, request):
        if self._times:
            self._times -= 1
            self._images.clear()
            self.failures["create"] = [errors.AgentRefused("image-not-here", "It is not here")]
        return await super().create(address, kernel, request)


async def test_image_that_is_evicted_before_its_kernel_is_made_is_pulled_again():
    """A full agent lets go of what nobody uses yet. Have it do so once; the kernel waits for its image again, and the session runs."""
    world = World()
    world.full_for(1)
    world.images.goes(DIGEST, PullStatus.READY)
    await world.step()
    assert world.books.kernels[kernel_of("s")] is KernelStatus.PULLING
    world.images.goes(DIGEST, PullStatus.READY)
    await world.step()
    assert world.past == [S.SCHEDULED, S.CREATING, S.RUNNING]
    assert world.images.calls == ["pull", "image", "pull", "image"]


async def test_image_that_never_stays_ends_the_session_in_words():
    """No image is pulled for ever. Have it evicted each time; the session ends when the books say that it was often enough."""
    world = World()
    world.full_for(9)
    world.images.begins_as = PullStatus.READY
    await world.step()
    assert world.books.reason["s"] is model.Reason.PULL_FAILED
    assert "has let go of it" in world.detail
    assert world.images.calls == ["pull", "image", "pull"]
