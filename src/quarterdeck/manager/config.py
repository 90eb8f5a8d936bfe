"""The manager's configuration: its own identity, its secrets, and where etcd and the database are. The rest is in etcd."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from quarterdeck.base.config import Environment, Secret
from quarterdeck.base.errors import ConfigInvalid

_ACCESS_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")


@dataclass(frozen=True)
class Config:
    """What the environment says, by the names `QD_…` in capital letters."""

    id: str
    listen: str
    advertise: str
    etcd_url: str
    database_url: Secret
    master_key: Secret
    agent_secret: Secret
    storage_secret: Secret
    storage_token_key: Secret
    admin_access_key: str
    database_connections: int
    secrets: Path
    """Directory with a file for each secret that a registry names."""
    seconds_max: Mapping[str, int | None]
    """By time-out: QD_BATCH_SECONDS_MAX, QD_LIFETIME_SECONDS_MAX, QD_IDLE_SECONDS_MAX: the most that sessions get, and get if they ask for nothing."""
    clock_shift: str = ""
    """The file that shifts the time of day (SHAKEOUT_CLOCK); empty without a harness."""


def load(environment: Environment) -> Config:
    """Read the configuration. Raises `ConfigInvalid` naming the variable."""
    environment.url("QD_DATABASE_URL")
    return Config(
        id=environment.text("QD_ID"),
        listen=environment.text("QD_LISTEN"),
        advertise=environment.url("QD_ADVERTISE"),
        etcd_url=environment.url("QD_ETCD_URL"),
        database_url=environment.secret("QD_DATABASE_URL"),
        master_key=environment.secret("QD_MASTER_KEY"),
        agent_secret=environment.secret("QD_AGENT_SECRET"),
        storage_secret=environment.secret("QD_STORAGE_SECRET"),
        storage_token_key=environment.secret("QD_STORAGE_TOKEN_KEY"),
        admin_access_key=_access_key(environment, "QD_ADMIN_ACCESS_KEY"),
        database_connections=environment.number("QD_DATABASE_CONNECTIONS", 16, least=2, most=500),
        secrets=environment.directory("QD_SECRETS", "/etc/quarterdeck/secrets"),
        seconds_max={
            f"{name}_seconds": environment.number(f"QD_{name.upper()}_SECONDS_MAX", 0) or None
            for name in ("batch", "lifetime", "idle")
        },
        clock_shift=environment.text("SHAKEOUT_CLOCK", ""),
    )


def _access_key(environment: Environment, name: str) -> str:
    value = environment.text(name)
    if not _ACCESS_KEY.match(value):
        raise ConfigInvalid(f"{name} is not 1 to 64 letters, digits, _ or -", field=name)
    return value
