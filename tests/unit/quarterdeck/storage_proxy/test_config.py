"""The storage-proxy's configuration."""

import json

import pytest

from quarterdeck.base.config import Environment
from quarterdeck.base.errors import ConfigInvalid
from quarterdeck.storage_proxy import config

GOOD = {
    "QD_ID": "storage-proxy",
    "QD_LISTEN": "fd:3",
    "QD_ADVERTISE": "http://127.0.0.1:6021",
    "QD_ETCD_URL": "http://127.0.0.1:2379",
    "QD_STORAGE_SECRET": "shared",
    "QD_STORAGE_TOKEN_KEY": "signing",
    "QD_VOLUMES": '{"local": {"kind": "local", "path": "/srv/trees"}}',
}


def load(**changes):
    return config.load(Environment(GOOD | changes))


def test_volumes_by_name():
    read = load()
    assert read.volumes == {"local": config.LocalVolumeConfig("/srv/trees")}


def test_secrets_do_not_show():
    archive = {
        "kind": "s3",
        "endpoint": "http://127.0.0.1:9000",
        "bucket": "trees",
        "access_key": "key",
        "secret_key": "hidden",
    }
    shown = repr(load(QD_VOLUMES=json.dumps({"archive": archive})))
    assert not any(secret in shown for secret in ("shared", "signing", "hidden"))


@pytest.mark.parametrize("name", sorted(GOOD))
def test_missing_variable_is_named(name):
    with pytest.raises(ConfigInvalid) as refused:
        load(**{name: ""})
    assert refused.value.field == name


@pytest.mark.parametrize(
    "volumes",
    [
        "not json",
        "[]",
        '{"local": {"kind": "tape", "path": "/srv"}}',
        '{"local": {"kind": "local"}}',
        '{"local": {"kind": "local", "path": "relative"}}',
        '{"local": {"kind": "local", "path": "/srv", "more": 1}}',
        '{"Not A Name": {"kind": "local", "path": "/srv"}}',
    ],
)
def test_volumes_that_make_no_sense_are_refused(volumes):
    with pytest.raises(ConfigInvalid) as refused:
        load(QD_VOLUMES=volumes)
    assert refused.value.field == "QD_VOLUMES"
