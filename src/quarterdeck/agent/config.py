"""Configuration of an agent, read once from the environment."""

import os
from dataclasses import dataclass
from pathlib import Path

from quarterdeck.agent.kernels.dummy import Plan
from quarterdeck.base.config import Environment, Secret
from quarterdeck.base.errors import ConfigInvalid
from quarterdeck.wire import decode
from quarterdeck.wire.errors import Invalid
from quarterdeck.wire.sessions import Slots

ORPHAN_SECONDS = 600.0
_CPU_MAX = 1024
_MEMORY_MIB_MAX = 16 * 2**20
_IMAGES_MIB = 20 * 2**10
_IMAGES_MIB_MAX = 2**30


@dataclass(frozen=True)
class Config:
    """What an agent must know to start. `marks`: variables that every process of its kernels carries, for those who look for them."""

    id: str
    listen: str
    advertise: str
    etcd_url: str
    agent_secret: Secret
    scratch: Path
    slots: Slots
    marks: dict[str, str]
    images: Path
    """Where images are kept."""
    images_bytes_max: int
    dummy: Plan | None = None
    """Not None: kernels are dummies, and this is what they do."""
    orphan_seconds: float = ORPHAN_SECONDS
    """How long kernels go on without an agent."""
    clock_shift: str = ""
    """The file that shifts the time of day (SHAKEOUT_CLOCK); empty without a harness."""


def load(environment: Environment) -> Config:
    """Read the configuration. Raises `ConfigInvalid` naming the variable.

    QD_CPU defaults to the cores that the process may use, QD_MEMORY_MIB to half of the machine's memory. QD_KERNEL_MARKS names
    variables, by commas, that are passed on to the processes of kernels. QD_KERNELS is process (default) or dummy, see
    `kernels.dummy`. QD_IMAGES is where images are kept (default: beside the scratch directory), QD_IMAGES_MIB how much they take at most.
    """
    scratch = environment.directory("QD_SCRATCH")
    names = environment.text("QD_KERNEL_MARKS", ",").split(",")
    return Config(
        id=environment.text("QD_ID"),
        listen=environment.text("QD_LISTEN"),
        advertise=environment.url("QD_ADVERTISE"),
        etcd_url=environment.url("QD_ETCD_URL"),
        agent_secret=environment.secret("QD_AGENT_SECRET"),
        scratch=scratch,
        slots=Slots(
            cpu=environment.number("QD_CPU", len(os.sched_getaffinity(0)), least=1, most=_CPU_MAX),
            memory_mib=environment.number(
                "QD_MEMORY_MIB", _half_of_memory_mib(), least=64, most=_MEMORY_MIB_MAX
            ),
        ),
        marks={name: environment.text(name) for name in names if name},
        images=environment.directory("QD_IMAGES", str(scratch.with_name("images"))),
        images_bytes_max=environment.number(
            "QD_IMAGES_MIB", _IMAGES_MIB, least=1, most=_IMAGES_MIB_MAX
        )
        * 2**20,
        dummy=_dummy(environment),
        orphan_seconds=environment.seconds("QD_ORPHAN_SECONDS", ORPHAN_SECONDS),
        clock_shift=environment.text("SHAKEOUT_CLOCK", ""),
    )


def _dummy(environment: Environment) -> Plan | None:
    match environment.text("QD_KERNELS", "process"):
        case "process":
            return None
        case "dummy":
            try:
                return decode.decode(Plan, environment.text("QD_DUMMY", "{}").encode())
            except Invalid as error:
                detail = f"QD_DUMMY is not usable: {error.field or ''} {error.detail}"
                raise ConfigInvalid(detail, field="QD_DUMMY") from error
        case other:
            detail = f"QD_KERNELS is not process or dummy: {other!r}"
            raise ConfigInvalid(detail, field="QD_KERNELS")


def _half_of_memory_mib() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**21
