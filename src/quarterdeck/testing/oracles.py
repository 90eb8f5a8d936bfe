"""Observers of a cluster that do not trust the platform's own word: SQL, etcd, Redis, /proc, bytes on disk, objects in S3.

    observe.value("SELECT status FROM sessions WHERE id = %s", session.id)
    assert observe.live_kernels(session.id) == []

Each connects when first used. They block, for a millisecond or so: tests look at things that have happened.
"""

import contextlib
import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import DictRow, dict_row

from quarterdeck.testing import kernels, layout, trees
from shakeout.services.s3 import S3
from shakeout.system.cluster import Cluster

if TYPE_CHECKING:
    from quarterdeck.testing.etcd_keys import EtcdKeys


class Observe:
    """Looks at one cluster from outside. Close it when done."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._stack = contextlib.ExitStack()
        self._database: psycopg.Connection[DictRow] | None = None
        self._etcd: EtcdKeys | None = None
        self._redis: Any = None
        self._s3: Any = None

    def close(self) -> None:
        """Close what was opened."""
        self._stack.close()

    def rows(self, sql: str, *parameters: object) -> list[DictRow]:
        """Ask the database; `%s` stands for a parameter."""
        return self.database.execute(sql.encode(), parameters).fetchall()

    def value(self, sql: str, *parameters: object) -> Any:
        """Ask the database for one value; None without a row."""
        found = self.rows(sql, *parameters)
        return next(iter(found[0].values())) if found else None

    def history(self, session: str) -> list[tuple[str | None, str]]:
        """Return the steps of a session as the database recorded them, from and to."""
        found = self.rows(
            "SELECT from_status, to_status FROM session_history"
            " WHERE session_id = %s AND kernel_id IS NULL ORDER BY seq",
            session,
        )
        return [(row["from_status"], row["to_status"]) for row in found]

    def slots_in_use(self, session: str | None = None) -> tuple[int, int]:
        """Return cores and MiB that are given away and not freed, for one session or all."""
        (found,) = self.rows(
            "SELECT coalesce(sum(cpu), 0)::int AS cpu, coalesce(sum(memory_mib), 0)::int AS memory"
            " FROM allocations JOIN kernels ON kernels.id = kernel_id"
            " WHERE freed_at IS NULL AND (%s::uuid IS NULL OR session_id = %s)",
            session,
            session,
        )
        return found["cpu"], found["memory"]

    def kernel(self, session: str) -> str | None:
        """Return the id of a session's newest kernel."""
        found = self.value(
            "SELECT id::text FROM kernels WHERE session_id = %s ORDER BY created_at DESC LIMIT 1",
            session,
        )
        return str(found) if found else None

    def live_kernels(self, session: str | None = None) -> list[str]:
        """Return the kernels of which processes live, of one session or all."""
        found = sorted({one.kernel for one in kernels.processes(self._cluster)})
        if session is None:
            return found
        rows = self.rows("SELECT id::text FROM kernels WHERE session_id = %s", session)
        return [kernel for kernel in found if kernel in {row["id"] for row in rows}]

    def kernel_pids(self, kernel: str) -> list[int]:
        """Return the processes of a kernel, oldest first."""
        return [one.pid for one in kernels.processes(self._cluster) if one.kernel == kernel]

    def mounts(self, pid: int) -> list[str]:
        """Return the mount points that a process sees."""
        table = Path(f"/proc/{pid}/mountinfo").read_text()
        return [line.split()[4] for line in table.splitlines()]

    def limit(self, pid: int, name: str) -> int:
        """Return the soft resource limit of a process by its name in /proc, in the unit that is used there."""
        table = Path(f"/proc/{pid}/limits").read_text()
        (line,) = (line for line in table.splitlines() if line.startswith(name))
        return int(line.removeprefix(name).split()[0])

    def descriptors(self, component: str) -> list[str]:
        """Return what the open descriptors of a component are, as /proc tells."""
        found = []
        for entry in Path(f"/proc/{self._cluster.process(component).pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                found.append(str(entry.readlink()))
        return found

    def scratch(self) -> dict[str, Path]:
        """Return the scratch directories that are there, by kernel."""
        return kernels.scratch_directories(self._cluster)

    def trees(self) -> dict[str, Path]:
        """Return the root directories of the trees on the local storage host, by folder."""
        return trees.trees(self._cluster)

    def content(self, folder: str) -> dict[str, bytes]:
        """Return the files of a folder on the local storage host, as they are on disk, by path."""
        root = self.trees()[folder]
        return {
            str(path.relative_to(root)): path.read_bytes()
            for path in sorted(root.rglob("*"))
            if path.is_file() and not path.is_symlink()
        }

    def scope(self, folder: str) -> str:
        """Return for whom a folder's files count on the local storage host, by the note on its disk."""
        return trees.scopes(self._cluster)[folder]

    def unfinished(self) -> list[Path]:
        """Return what is on its way into or out of trees of the local storage host."""
        return trees.unfinished(self._cluster)

    def objects(self, prefix: str = "") -> Mapping[str, bytes]:
        """Return the objects in the archive's bucket by key."""
        client, bucket = self.s3, layout.ARCHIVE_BUCKET
        listed = client.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", ())
        return {
            each["Key"]: client.get_object(Bucket=bucket, Key=each["Key"])["Body"].read()
            for each in listed
        }

    @property
    def database(self) -> psycopg.Connection[DictRow]:
        """A connection to the manager's database, in autocommit mode."""
        if self._database is None or self._database.closed:
            opened = psycopg.connect(
                self._cluster.address("postgres"),
                autocommit=True,
                row_factory=dict_row,
                application_name="oracle",
            )
            self._database = self._stack.enter_context(contextlib.closing(opened))
        return self._database

    @property
    def etcd(self) -> "EtcdKeys":
        """All keys in etcd."""
        if self._etcd is None:
            module = importlib.import_module("quarterdeck.testing.etcd_keys")
            opened: EtcdKeys = module.EtcdKeys(self._cluster.address("etcd"))
            self._etcd = self._stack.enter_context(contextlib.closing(opened))
        return self._etcd

    @property
    def redis(self) -> Any:
        """A redis-py client."""
        if self._redis is None:
            client = importlib.import_module("redis").Redis.from_url(
                self._cluster.address("redis"), decode_responses=True
            )
            self._redis = self._stack.enter_context(contextlib.closing(client))
        return self._redis

    @property
    def s3(self) -> Any:
        """A boto3 client; the cluster must have been asked for S3."""
        if self._s3 is None:
            (service,) = (each for each in self._cluster.system.services if isinstance(each, S3))
            config = importlib.import_module("botocore.config").Config(signature_version="s3v4")
            client = importlib.import_module("boto3").client(
                "s3",
                config=config,
                endpoint_url=self._cluster.address(service.name),
                aws_access_key_id=service.access_key,
                aws_secret_access_key=service.secret_key,
                region_name="us-east-1",
            )
            self._s3 = self._stack.enter_context(contextlib.closing(client))
        return self._s3
