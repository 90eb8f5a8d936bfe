"""The fixtures of the manager's component tests: those of `manager_fixtures`, and a database of one's own."""

import uuid

import psycopg
import pytest

from quarterdeck.infra.postgres import Database
from quarterdeck.manager.migrations import schema
from quarterdeck.testing.manager_fixtures import *


@pytest.fixture
def scratch(cluster, shakeout_runner):
    """A database with the schema that no manager uses; dropped afterwards."""
    name = f"scratch_{uuid.uuid4().hex}"
    url = cluster.address("postgres").replace("/quarterdeck?", f"/{name}?")
    with psycopg.connect(cluster.address("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        schema.upgrade(url)
        kept = shakeout_runner.keep(Database.open(url, application_name="test", size_max=4))
        yield kept.value
        kept.close()
        connection.execute(f"DROP DATABASE {name} (FORCE)".encode())
