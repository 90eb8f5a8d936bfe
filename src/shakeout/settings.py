"""What Shakeout takes from the environment; the only module of the package that reads `os.environ`.

Everything else is told through `Settings`, so a test makes one by hand.
"""

import dataclasses
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

HOME = "SHAKEOUT_HOME"
RUN = "SHAKEOUT_RUN"
CACHE = "SHAKEOUT_CACHE"
REPORT = "SHAKEOUT_REPORT"
SLOT = "SHAKEOUT_SLOT"
BROKER = "SHAKEOUT_BROKER"
BROKER_IDLE = "SHAKEOUT_BROKER_IDLE_SECONDS"
BROKER_IDLE_SECONDS = 180.0

SHARED_MEMORY = Path("/dev/shm")
SHARED_MEMORY_BYTES_MIN = 1 << 30

INHERITED = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH")
INHERITED_PREFIX = "PYTHON"
NOT_INHERITED = ("PYTHONPATH", "PYTHONSTARTUP", "PYTHONINSPECT")

NO = ("", "0", "false")


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings of one runner.

    `home` holds the run directories and port leases of this user, `cache` what outlives runs (prepared
    data directories). `run` names the run that this process itself is part of, "" outside of any.
    `broker` says whether clusters are leased from the broker, which ends after `broker_idle_seconds` without a guest.
    `inherited` are the variables that programs started by the harness may take over.
    """

    home: Path
    cache: Path
    run: str = ""
    ci: bool = False
    report: Path | None = None
    """Where evidence goes; None where nobody says."""
    in_pants: bool = False
    """Whether this process runs in a sandbox of Pants, which is removed afterwards."""
    broker: bool = False
    broker_idle_seconds: float = BROKER_IDLE_SECONDS
    inherited: Mapping[str, str] = dataclasses.field(default_factory=dict)


def read(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from `environ`, by default this process's own environment."""
    found = os.environ if environ is None else environ
    return Settings(
        home=_home(found),
        cache=_cache(found),
        run=found.get(RUN, ""),
        report=Path(found[REPORT]).absolute() if found.get(REPORT) else None,
        in_pants=SLOT in found,
        ci=found.get("CI", "").lower() not in NO,
        broker=found.get(BROKER, "auto").lower() not in ("off", *NO),
        broker_idle_seconds=float(found.get(BROKER_IDLE) or BROKER_IDLE_SECONDS),
        inherited={name: value for name, value in found.items() if _is_inherited(name)},
    )


def whole() -> dict[str, str]:
    """All of this process's environment: for a shell that somebody works in, and for nothing else."""
    return dict(os.environ)


def may_colour(environ: Mapping[str, str] | None = None) -> bool:
    """Whether a terminal may be coloured: not where NO_COLOR is set to anything (https://no-color.org), nor on a dumb one."""
    found = os.environ if environ is None else environ
    return not found.get("NO_COLOR") and not is_dumb(found)


def is_dumb(environ: Mapping[str, str] | None = None) -> bool:
    """Whether the terminal only prints: it understands neither colours nor where to write."""
    found = os.environ if environ is None else environ
    return found.get("TERM") == "dumb"


def _home(environ: Mapping[str, str]) -> Path:
    if chosen := environ.get(HOME):
        return Path(chosen).absolute()
    own = f"shakeout-{os.getuid()}"
    if _has_room(SHARED_MEMORY):
        return SHARED_MEMORY / own
    return Path(tempfile.gettempdir()) / own


def _has_room(directory: Path) -> bool:
    """Judge by the size, not by what is free now: `shakeout down` must find what `up` began."""
    if not os.access(directory, os.W_OK | os.X_OK):
        return False
    space = os.statvfs(directory)
    return space.f_blocks * space.f_frsize >= SHARED_MEMORY_BYTES_MIN


def _cache(environ: Mapping[str, str]) -> Path:
    if chosen := environ.get(CACHE):
        return Path(chosen).absolute()
    if chosen := environ.get("XDG_CACHE_HOME"):
        return Path(chosen).absolute() / "shakeout"
    if home := environ.get("HOME"):
        return Path(home) / ".cache" / "shakeout"
    return Path(tempfile.gettempdir()) / f"shakeout-cache-{os.getuid()}"


def _is_inherited(name: str) -> bool:
    if name in NOT_INHERITED:
        return False
    return name in INHERITED or name.startswith(INHERITED_PREFIX)
