"""Variables become typed values; what cannot be used is refused by name; secrets do not print."""

from pathlib import Path

import pytest

from quarterdeck.base.config import Environment, Secret
from quarterdeck.base.errors import ConfigInvalid


def test_text_needs_the_variable_or_a_default():
    environment = Environment({"QD_ID": "m1", "QD_EMPTY": ""})
    assert environment.text("QD_ID") == "m1"
    assert environment.text("QD_ABSENT", "x") == "x"
    assert environment.text("QD_EMPTY", "x") == "x"
    with pytest.raises(ConfigInvalid, match="QD_ABSENT is not set") as refused:
        environment.text("QD_ABSENT")
    assert refused.value.field == "QD_ABSENT"


@pytest.mark.parametrize("given", ["", "x", "1.5", "-1", "99999999999"])
def test_number_refuses_by_name(given):
    with pytest.raises(ConfigInvalid, match="QD_CPU"):
        Environment({"QD_CPU": given}).number("QD_CPU")


def test_number_and_seconds_read_their_range():
    environment = Environment({"QD_CPU": "8", "QD_WAIT": "0.25"})
    assert environment.number("QD_CPU", least=1, most=8) == 8
    assert environment.number("QD_ABSENT", 3) == 3
    assert environment.seconds("QD_WAIT") == 0.25
    with pytest.raises(ConfigInvalid, match="not in 1"):
        environment.seconds("QD_WAIT", least=1)
    with pytest.raises(ConfigInvalid, match="not in 0"):
        Environment({"QD_WAIT": "nan"}).seconds("QD_WAIT")


def test_url_loses_its_last_slash_and_needs_a_scheme():
    assert Environment({"QD_URL": "http://h:1/"}).url("QD_URL") == "http://h:1"
    with pytest.raises(ConfigInvalid, match="QD_URL is not a URL"):
        Environment({"QD_URL": "h:1"}).url("QD_URL")


def test_directory_is_absolute():
    assert Environment({"QD_SCRATCH": "/x"}).directory("QD_SCRATCH") == Path("/x")
    with pytest.raises(ConfigInvalid, match="QD_SCRATCH is not an absolute path"):
        Environment({"QD_SCRATCH": "x"}).directory("QD_SCRATCH")


def test_secret_does_not_print():
    secret = Environment({"QD_KEY": "hush"}).secret("QD_KEY")
    assert secret.reveal() == "hush"
    assert "hush" not in f"{secret} {secret!r} {[secret]} {({'k': secret},)}"
    assert secret == Secret("hush") != Secret("other")
    assert hash(secret) == hash(Secret("hush"))
