"""Sessions whose lives are watched message by message."""

import pytest

from quarterdeck.testing import tenancy
from quarterdeck.testing.tenancy import User
from tests.integration.failover.lives import Life


@pytest.fixture
def life(private_cluster, shakeout_runner, observe):
    kept = shakeout_runner.keep(tenancy.visitor(private_cluster, "traveller"))
    keypair = kept.value.keypair
    user = User(private_cluster.public_address("manager.http"), kept.value.view, keypair)
    opened = shakeout_runner.keep(user)
    yield Life(private_cluster, opened.value, observe)
    opened.close()
    kept.close()
