"""Every query of the manager is understood by PostgreSQL, and none is left unused."""

import importlib
import re
from pathlib import Path

import psycopg
import pytest

from quarterdeck import manager
from quarterdeck.infra import queries

ROOT = Path(manager.__path__[0])
PACKAGES = sorted(
    ".".join(("quarterdeck.manager", *path.parent.relative_to(ROOT).parts))
    for path in ROOT.rglob("queries.sql")
)
QUERIES = [(package, name) for package in PACKAGES for name in queries.load(package)]
_PARAMETER = re.compile(r"%\((\w+)\)s")


def numbered(sql):
    """Return the query as the driver sends it: parameters by number, the same one for the same name."""
    names = list(dict.fromkeys(_PARAMETER.findall(sql)))
    return _PARAMETER.sub(lambda found: f"${names.index(found[1]) + 1}", sql)


@pytest.mark.parametrize(("package", "name"), QUERIES)
def test_query_prepares(cluster, package, name):
    """No typo waits for its day. PREPARE the query on the real schema."""
    sql = numbered(queries.load(package)[name])
    with psycopg.connect(cluster.address("postgres"), autocommit=True) as connection:
        connection.execute(b"PREPARE tried AS " + sql.encode())


@pytest.mark.parametrize(("package", "name"), QUERIES)
def test_query_is_used(package, name):
    """Nothing dead is kept. Look for the name in the package's modules."""
    directory = Path(importlib.import_module(package).__path__[0])
    assert any(f'"{name}"' in path.read_text() for path in directory.glob("*.py"))
