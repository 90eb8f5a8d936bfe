"""Servers of files under measurement, ours and the peers', each as port, process and how one of its files is addressed."""

import asyncio
import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks import peers
from quarterdeck.testing import layout
from quarterdeck.testing.oracles import Observe
from quarterdeck.wire.folders import StorageGrant
from shakeout.system.cluster import Cluster
from shakeout.waiting.until import until

Address = Callable[[str, str], tuple[str, Mapping[str, str]]]
"""Method and name of a file -> target and headers."""

_NGINX = """\
daemon off; master_process off; pid {root}/nginx.pid; error_log {root}/error.log;
events {{}}
http {{
    access_log off; sendfile on; tcp_nopush on; client_max_body_size 0; keepalive_requests 1000000;
    client_body_temp_path {root}/body; proxy_temp_path {root}/proxy; fastcgi_temp_path {root}/fastcgi;
    uwsgi_temp_path {root}/uwsgi; scgi_temp_path {root}/scgi;
    server {{ listen 127.0.0.1:{port}; root {root}/files; dav_methods PUT DELETE; }}
}}
"""

_ANYBODY = "AWS4-HMAC-SHA256 Credential=anybody/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"


@dataclass(frozen=True)
class Server:
    """A server that takes, gives and removes files by PUT, GET and DELETE."""

    name: str
    port: int
    address: Address
    pid: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    keeps_connections: bool = True


def ours(cluster: Cluster, grant: StorageGrant) -> Server:
    """Return the storage-proxy, with a token."""
    headers = {"Authorization": f"Bearer {grant.token}"}

    def address(_: str, name: str) -> tuple[str, Mapping[str, str]]:
        return f"/client/v1/files/{name}", headers

    pid = cluster.process("storage-proxy").pid
    return Server("storage-proxy", _port(grant.url), address, pid, headers)


def rclone(observe: Observe) -> Server:
    """Return the S3 server, by presigned URLs of boto3."""
    client: Any = observe.s3

    def address(method: str, name: str) -> tuple[str, Mapping[str, str]]:
        operation = f"{method.lower()}_object"
        where = {"Bucket": layout.ARCHIVE_BUCKET, "Key": f"bench/{name}"}
        url = urlsplit(client.generate_presigned_url(operation, Params=where, ExpiresIn=3600))
        return f"{url.path}?{url.query}", {"Host": url.netloc}

    return Server("rclone s3", _port(client.meta.endpoint_url), address)


@contextlib.contextmanager
def aiohttp_static() -> Iterator[Server]:
    """Own a server of aiohttp's own means."""
    with (
        tempfile.TemporaryDirectory(dir="/dev/shm") as root,
        _running(sys.executable, "static_files.py", root) as (port, pid),
    ):
        yield Server("aiohttp", port, _plain, pid)


@contextlib.contextmanager
def moto() -> Iterator[Server | None]:
    """Own moto's S3 server, which wants a name and checks no signature; None if it cannot run."""
    try:
        python = peers.tool("python")
    except peers.CannotRun as error:
        peers.say("moto", str(error))
        yield None
        return
    with _running(python, "s3_server.py") as (port, pid):
        yield Server("moto", port, _bucket, pid, keeps_connections=False)


@contextlib.asynccontextmanager
async def nginx(port: int) -> Any:
    """Own an nginx with its WebDAV; None where there is none."""
    if (program := shutil.which("nginx")) is None:
        yield None
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as root:
        (Path(root) / "files").mkdir()
        (Path(root) / "nginx.conf").write_text(_NGINX.format(root=root, port=port))
        words = (program, "-c", f"{root}/nginx.conf", "-p", root)
        process = await asyncio.create_subprocess_exec(*words)
        await until(lambda: (Path(root) / "nginx.pid").exists(), within=5)
        yield Server("nginx", port, _plain, process.pid)
        process.terminate()
        await process.wait()


@contextlib.contextmanager
def _running(python: str, program: str, *words: str) -> Iterator[tuple[int, int]]:
    """Own a peer program that prints its port and ends with its input; give port and process."""
    with subprocess.Popen(
        (python, str(peers.PROGRAMS / program), *words),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline()), process.pid
        process.communicate()


def _bucket(_: str, name: str) -> tuple[str, Mapping[str, str]]:
    return f"/bench/{name}", {"Authorization": _ANYBODY}


def _plain(_: str, name: str) -> tuple[str, Mapping[str, str]]:
    return f"/{name}", {}


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])
