"""Configuration of a storage-proxy, read once from the environment."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from quarterdeck.base.config import Environment, Secret
from quarterdeck.base.errors import ConfigInvalid
from quarterdeck.wire import limits


class LocalVolumeConfig(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="local"
):
    """A volume of directories below `path`."""

    path: str


class S3VolumeConfig(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="s3"
):
    """A volume in a bucket."""

    endpoint: str
    bucket: str
    access_key: str
    secret_key: Secret
    region: str = "us-east-1"


VolumeConfig = LocalVolumeConfig | S3VolumeConfig


@dataclass(frozen=True)
class Config:
    """What a storage-proxy must know to start."""

    id: str
    listen: str
    advertise: str
    etcd_url: str
    storage_secret: Secret
    token_key: Secret
    volumes: dict[str, VolumeConfig]
    clock_shift: str = ""
    """The file that shifts the time of day (SHAKEOUT_CLOCK); empty without a harness."""


def load(environment: Environment) -> Config:
    """Read the configuration. Raises `ConfigInvalid` naming the variable."""
    return Config(
        id=environment.text("QD_ID"),
        listen=environment.text("QD_LISTEN"),
        advertise=environment.url("QD_ADVERTISE"),
        etcd_url=environment.url("QD_ETCD_URL"),
        storage_secret=environment.secret("QD_STORAGE_SECRET"),
        token_key=environment.secret("QD_STORAGE_TOKEN_KEY"),
        volumes=_volumes(environment.text("QD_VOLUMES")),
        clock_shift=environment.text("SHAKEOUT_CLOCK", ""),
    )


def _volumes(text: str) -> dict[str, VolumeConfig]:
    """Read the volumes by host name: `{"local": {"kind": "local", "path": "/srv/trees"}}`."""
    try:
        volumes = msgspec.json.decode(text, type=dict[limits.Name, VolumeConfig], dec_hook=_secret)
    except msgspec.MsgspecError as error:
        raise ConfigInvalid(f"QD_VOLUMES: {error}", field="QD_VOLUMES") from error
    for name, volume in volumes.items():
        if isinstance(volume, LocalVolumeConfig) and not Path(volume.path).is_absolute():
            raise ConfigInvalid(
                f"QD_VOLUMES: the path of {name} is not absolute", field="QD_VOLUMES"
            )
    return volumes


def _secret(type_: type, value: Any) -> Any:
    if type_ is Secret and isinstance(value, str):
        return Secret(value)
    raise NotImplementedError(type_)
