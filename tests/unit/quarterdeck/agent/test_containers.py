"""Kernels in containers over fakes: what two that happen at once leave of each other."""

import asyncio
from pathlib import Path

import pytest

from quarterdeck.agent.kernels.errors import KernelTerminated
from quarterdeck.agent.kernels.oci import pool as pools
from quarterdeck.agent.kernels.oci.kernels import Containers
from quarterdeck.agent.kernels.oci.launcher import ContainerLauncher
from quarterdeck.agent.kernels.oci.waiting import Waiting
from quarterdeck.agent.kernels.spec import Exit, Image, KernelSpec
from quarterdeck.testing.fakes.clock import FakeClock


class Zygote(ContainerLauncher):
    """A zygote that has ended what it is told to end."""

    def __init__(self):
        self.died, self.killed = asyncio.Event(), []

    def held(self):
        return ()

    async def kill(self, id_):
        self.killed.append(id_)


class Unfit(Waiting):
    """A container that becomes no kernel, and in the middle of that something happens."""

    def __init__(self, meanwhile):
        self.id, self._meanwhile = "waiting", meanwhile

    async def become(self, spec, _):
        await self._meanwhile(spec.id)


class One(pools.Pool):
    """One container that waits, for any kernel."""

    waiting: Waiting | None = None

    def take(self, _):
        return self.waiting


async def test_a_kernel_destroyed_while_a_container_fails_to_become_it_has_ended(tmp_path):
    """Nobody trips over what the other has tidied up. Destroy a kernel while what had waited for it turns out unfit; it is told ended, once, and nothing is known of it."""
    pool, exits = One(tmp_path, FakeClock(), marks={}), list[Exit]()
    contained = Containers(Zygote, directory=Path, group="", found=Zygote(), pool=pool)
    pool.waiting = Unfit(contained.kill)
    spec = KernelSpec("k", str(tmp_path / "k"), {}, (), (), 2**27, image=Image("/tree", "python"))
    with pytest.raises(KernelTerminated):
        await contained.spawn(spec, exits.append)
    assert exits == [Exit()]
    assert "k" not in contained
