"""The manager's configuration: each variable is named when it is missing, and secrets do not show."""

import pytest

from quarterdeck.base.config import Environment
from quarterdeck.base.errors import ConfigInvalid
from quarterdeck.manager import config

GOOD = {
    "QD_ID": "manager",
    "QD_LISTEN": "127.0.0.1:0",
    "QD_ADVERTISE": "http://127.0.0.1:1",
    "QD_ETCD_URL": "http://127.0.0.1:2",
    "QD_DATABASE_URL": "postgresql://u:pass-word@h/d",
    "QD_MASTER_KEY": "master-secret",
    "QD_AGENT_SECRET": "agent-secret",
    "QD_STORAGE_SECRET": "storage-secret",
    "QD_STORAGE_TOKEN_KEY": "token-secret",
    "QD_ADMIN_ACCESS_KEY": "QDAKADMIN",
}


def test_complete_environment_is_read():
    assert config.load(Environment(GOOD)).etcd_url == "http://127.0.0.1:2"


@pytest.mark.parametrize("name", sorted(GOOD))
def test_missing_variable_is_named(name):
    with pytest.raises(ConfigInvalid) as refused:
        config.load(Environment({key: value for key, value in GOOD.items() if key != name}))
    assert refused.value.field == name


def test_secrets_do_not_show():
    shown = repr(config.load(Environment({**GOOD, "QD_SECRETS": "/run/files"})))
    shown = shown.replace("secrets=PosixPath('/run/files')", "")
    assert "secret" not in shown.lower().replace("secret('***')", "").replace("_secret=", "")
    assert "pass-word" not in shown


def test_access_key_that_nobody_could_sign_with_is_refused():
    with pytest.raises(ConfigInvalid):
        config.load(Environment({**GOOD, "QD_ADMIN_ACCESS_KEY": "with space"}))


def test_maxima_of_time_outs_are_none_unless_set():
    assert set(config.load(Environment(GOOD)).seconds_max.values()) == {None}
    names = ("QD_BATCH_SECONDS_MAX", "QD_LIFETIME_SECONDS_MAX", "QD_IDLE_SECONDS_MAX")
    given = {name: str(number) for number, name in enumerate(names, 1)}
    read = config.load(Environment({**GOOD, **given})).seconds_max
    assert read == {"batch_seconds": 1, "lifetime_seconds": 2, "idle_seconds": 3}
