"""Files up and down: one large file as a stream and in pieces, many small ones, and the memory that a server takes for that.

The bare client is in this process and takes its part of the same cores. All volumes are in memory: what is measured is the servers.
"""

import collections
import contextlib
import hashlib
import random
import time
import zlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path

from benchmarks import file_client, file_servers, platforms
from benchmarks.figure import Figure
from benchmarks.file_servers import Server
from quarterdeck.testing.oracles import Observe
from quarterdeck.testing.pieces import PIECE, checksum, metadata, of_grant
from quarterdeck.wire.folders import StorageGrant

LARGE_BYTES = 1 << 30
SMALL_FILES = 10_000
SMALL_BYTES = 4096
CLIENTS = 16
ROUNDS = 3
PIECE_BYTES = 8 << 20
MIB = 1 << 20
NGINX_PORT = 18_099
_NAMES = {"crc32": "CRC-32", "sha256": "SHA-256"}


async def figures() -> AsyncGenerator[Figure, None]:
    """All of them, from one cluster and one server of each peer."""
    content = memoryview(random.Random(1).randbytes(PIECE_BYTES) * (LARGE_BYTES // PIECE_BYTES))
    async with contextlib.AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(platforms.in_memory("s3"))
        user = await stack.enter_async_context(platforms.visited(cluster))
        observe = stack.enter_context(contextlib.closing(Observe(cluster)))
        grant = await (await user.folders.create("bench")).grant("write")
        many = await (await user.folders.create("many")).grant("write")
        ours = file_servers.ours(cluster, grant)
        peers = [stack.enter_context(file_servers.aiohttp_static()), file_servers.rclone(observe)]
        others = (
            stack.enter_context(file_servers.moto()),
            await stack.enter_async_context(file_servers.nginx(NGINX_PORT)),
        )
        peers += [each for each in others if each is not None]
        peaks = {server.name: peak_mb(server) for server in (ours, *peers)}
        for figure in large(ours, peers, content):
            yield figure
        for algorithm in ("crc32", "sha256"):
            yield await in_pieces(grant, (ours, peers[0]), content, algorithm)
        for peer in (each for each in peers if each.keeps_connections):
            for figure in await small(file_servers.ours(cluster, many), peer):
                yield figure
        yield memory(ours, peers[0], peaks)


def large(ours: Server, peers: Sequence[Server], content: memoryview) -> list[Figure]:
    """One file as one stream, up and down."""
    sha256 = {"X-Content-SHA256": hashlib.sha256(content).hexdigest()}
    crc32 = {"X-Content-CRC32": f"{zlib.crc32(content):08x}"}
    up: dict[str, list[float]] = {server.name: [] for server in (ours, *peers)}
    down: dict[str, list[float]] = {server.name: [] for server in (ours, *peers)}
    hashed = []
    for _ in range(ROUNDS):
        hashed.append(sent(ours, content, sha256))
        removed(ours, "large")
        for server in (ours, *peers):
            up[server.name].append(sent(server, content, crc32 if server is ours else {}))
            down[server.name].append(received(server, len(content)))
            removed(server, "large")
    rows = [
        *((f"upload, CRC-32 ({peer.name})", up[ours.name], 900, up, peer) for peer in peers),
        (f"upload, SHA-256 ({peers[0].name})", hashed, 900, up, peers[0]),
        *((f"download ({peer.name})", down[ours.name], 2000, down, peer) for peer in peers),
    ]
    return [
        Figure(
            *(f"{what}, {_words(len(content))}", "MiB/s", mine, goal),
            floor=sha256_floor() if "SHA-256" in what else "",
            peer_name=peer.name,
            peer=theirs[peer.name],
            more_is_better=True,
        )
        for what, mine, goal, theirs, peer in rows
    ]


async def in_pieces(
    grant: StorageGrant, servers: tuple[Server, Server], content: memoryview, algorithm: str
) -> Figure:
    """One file in pieces by the tus protocol, compared by the SHA-256 of the whole or the CRC-32 of each piece; the peer takes it as a stream."""
    ours, peer = servers
    pieces = of_grant(grant)
    whole = {"sha256": hashlib.sha256(content).hexdigest()} if algorithm == "sha256" else {}
    checksums = _crcs(content) if algorithm == "crc32" else {}
    mine, theirs = [], []
    for number in range(ROUNDS):
        upload = await pieces.begin(len(content), metadata(path=f"pieces-{number}", **whole))
        begun = time.perf_counter()
        send_pieces(ours, upload, content, checksums)
        mine.append(_rate(len(content), begun))
        removed(ours, f"pieces-{number}")
        theirs.append(sent(peer, content, {}))
        removed(peer, "large")
    return Figure(
        *(f"upload by tus, {_NAMES[algorithm]}, {_words(len(content))}", "MiB/s", mine, 600),
        floor=sha256_floor() if whole else "",
        peer_name=peer.name,
        peer=theirs,
        more_is_better=True,
    )


async def small(ours: Server, peer: Server) -> list[Figure]:
    """Many small files, up and down, over kept connections."""
    rates: dict[tuple[str, str], list[float]] = collections.defaultdict(list)
    for _ in range(ROUNDS):
        for method in ("PUT", "GET"):
            for server in (ours, peer):
                rates[method, server.name].append(await small_rate(server, method))
    return [
        Figure(
            *(
                f"{SMALL_FILES:,} files of 4 KiB {what} ({peer.name})",
                "/s",
                rates[method, ours.name],
            ),
            goal=goal,
            peer_name=peer.name,
            peer=rates[method, peer.name],
            more_is_better=True,
        )
        for method, what, goal in (("PUT", "up", 1000), ("GET", "down", 5000))
    ]


async def small_rate(server: Server, method: str) -> float:
    """Small files a second, over all of them."""
    body = bytes(SMALL_BYTES) if method == "PUT" else b""
    requests = [
        (method, *server.address(method, f"small-{number}"), body) for number in range(SMALL_FILES)
    ]
    begun = time.perf_counter()
    await file_client.many(server.port, requests, CLIENTS)
    return SMALL_FILES / (time.perf_counter() - begun)


def memory(ours: Server, peer: Server, idle: Mapping[str, float]) -> Figure:
    """The most memory that all of this took, above that of the idle server."""
    return Figure(
        *(
            "peak memory of all transfers, above idle",
            "MB",
            [peak_mb(ours) - idle[ours.name]],
            64,
        ),
        peer_name=peer.name,
        peer=[peak_mb(peer) - idle[peer.name]],
    )


def sent(server: Server, content: memoryview, more: Mapping[str, str]) -> float:
    """MiB a second of one upload."""
    target, headers = server.address("PUT", "large")
    begun = time.perf_counter()
    with file_client.connected(server.port) as there:
        file_client.exchange(there, ("PUT", target), {**headers, **more}, content)
    return _rate(len(content), begun)


def received(server: Server, size: int) -> float:
    """MiB a second of one download."""
    target, headers = server.address("GET", "large")
    begun = time.perf_counter()
    if file_client.get(server.port, target, headers) != size:
        raise AssertionError(f"{server.name} sent another size")
    return _rate(size, begun)


def removed(server: Server, name: str) -> None:
    """Remove a file, so that the next one is new and no server has two at once: fresh memory costs more than what was used before."""
    target, headers = server.address("DELETE", name)
    with file_client.connected(server.port) as there:
        file_client.exchange(there, ("DELETE", target), headers, memoryview(b""))


def sha256_floor() -> str:
    """How fast a core of this machine computes SHA-256: no server that computes one is faster."""
    digest, block = hashlib.sha256(), bytes(64 * MIB)
    begun = time.process_time()
    digest.update(block)
    return f"SHA-256 alone {64 / (time.process_time() - begun):,.0f}"


def _crcs(content: memoryview) -> dict[int, dict[str, str]]:
    """Return the header with the checksum of each piece, by where it begins."""
    return {
        at: checksum(bytes(content[at : at + PIECE_BYTES]), "crc32")
        for at in range(0, len(content), PIECE_BYTES)
    }


def send_pieces(
    server: Server,
    upload: str,
    content: memoryview,
    checksums: Mapping[int, Mapping[str, str]],
) -> None:
    """Send a file in pieces over one connection."""
    with file_client.connected(server.port) as there:
        for at in range(0, len(content), PIECE_BYTES):
            headers = {
                **server.headers,
                **PIECE,
                **checksums.get(at, {}),
                "Upload-Offset": str(at),
            }
            piece = content[at : at + PIECE_BYTES]
            file_client.exchange(there, ("PATCH", upload), headers, piece)


def peak_mb(server: Server) -> float:
    """The most memory that a server has had, in MB; 0 where its process is not ours."""
    if server.pid is None:
        return 0.0
    status = Path(f"/proc/{server.pid}/status").read_text()
    (line,) = (each for each in status.splitlines() if each.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def _rate(size: int, begun: float) -> float:
    return size / MIB / (time.perf_counter() - begun)


def _words(size: int) -> str:
    return f"{size / (1 << 30):.3g} GiB"
