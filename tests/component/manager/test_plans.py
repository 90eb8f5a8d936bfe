"""The manager's statements on a large database: plans are made once for all parameters, so each must be good whatever these are."""

import json
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
_PARAMETER = re.compile(r"%\((\w+)\)s")
LARGE = {"sessions", "session_history", "kernels", "allocations", "session_mounts"}
WHOLE = {
    "quarterdeck.manager.images:delete_images_of": "a registry is removed seldom, with all its images at once",
}
"""Statements that may read a large table whole, and why."""

FILL = """
SET session_replication_role = replica;
INSERT INTO users (id, name, role) SELECT gen_random_uuid(), 'plan-' || n, 'user' FROM generate_series(1, 20) AS n;
INSERT INTO agents (id, instance, address, cpu, memory_mib, status)
SELECT 'a' || n, 'i', 'http://a' || n, 64, 65536, 'ALIVE' FROM generate_series(1, 200) AS n;
INSERT INTO sessions (id, owner_id, image, cpu, memory_mib, status, status_cause, status_actor)
SELECT gen_random_uuid(), u.id, 'python:3.11', 1, 256, CASE WHEN n % 100 = 0 THEN 'RUNNING' ELSE 'TERMINATED' END, 'c', 'a'
FROM generate_series(1, 2000) AS n, users u WHERE starts_with(u.name, 'plan-');
INSERT INTO kernels (id, session_id, hostname, agent_id, status, status_cause, status_actor)
SELECT gen_random_uuid(), id, 'main1', 'a' || (1 + hashtext(id::text) & 127), status, 'c', 'a' FROM sessions;
INSERT INTO allocations (kernel_id, agent_id, cpu, memory_mib, freed_at)
SELECT id, agent_id, 1, 256, CASE status WHEN 'TERMINATED' THEN now() END FROM kernels;
INSERT INTO session_mounts (session_id, folder_id, path, source) SELECT id, gen_random_uuid(), 'p', '/p' FROM sessions;
INSERT INTO session_history (session_id, to_status, cause, actor)
SELECT id, 'PENDING', 'c', 'a' FROM sessions, generate_series(1, 3);
RESET session_replication_role;
ANALYZE;
"""


def numbered(sql):
    """Return the query as the driver sends it: parameters by number, the same one for the same name."""
    names = list(dict.fromkeys(_PARAMETER.findall(sql)))
    return _PARAMETER.sub(lambda found: f"${names.index(found[1]) + 1}", sql)


def scans(node):
    """Give the tables that a plan reads whole."""
    if node["Node Type"] == "Seq Scan":
        yield node["Relation Name"]
    for below in node.get("Plans", ()):
        yield from scans(below)


@pytest.fixture
def large(private_cluster):
    """A connection to a database of 40,000 sessions that were, and some hundreds that run."""
    with psycopg.connect(private_cluster.address("postgres"), autocommit=True) as connection:
        connection.execute(FILL)
        yield connection


def test_plan_reads_no_large_table_whole(large):
    """No statement gets slow as sessions come and go. Fill the tables, EXPLAIN each statement without its parameters' values."""
    found = {}
    for package in PACKAGES:
        for name, sql in queries.load(package).items():
            row = large.execute(
                b"EXPLAIN (GENERIC_PLAN, FORMAT JSON) " + numbered(sql).encode(), prepare=False
            ).fetchone()
            (plan,) = row[0] if isinstance(row[0], list) else json.loads(row[0])
            whole = LARGE & set(scans(plan["Plan"]))
            if whole and f"{package}:{name}" not in WHOLE:
                found[f"{package}:{name}"] = sorted(whole)
    assert found == {}
