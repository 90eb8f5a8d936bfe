"""Downloads: exact slices, versions, directories as archives that other programs read, memory that does not grow with the size."""

import asyncio
import hashlib
import re
import subprocess
from pathlib import Path

import aiohttp
import pytest

from quarterdeck.testing.raw import bearer, files

FILES = {
    "a.txt": b"a",
    "deep/er/b c.bin": bytes(range(256)) * 2000,
    "deep/empty": b"",
    "ümläut/ß.txt": b"text",
}
LARGE_BYTES = 192 * 1024 * 1024
MEMORY_BYTES_MAX = 64 * 1024 * 1024


async def filled(user, tmp_path):
    """A folder with the files, and a local copy of them."""
    for path, content in FILES.items():
        local = tmp_path / "local" / path
        local.parent.mkdir(parents=True, exist_ok=True)
        local.write_bytes(content)
    folder = await user.folders.create("files")
    await folder.upload(tmp_path / "local", "")
    return folder


def peak_bytes(pid):
    """The most memory that a process has had, as the kernel knows it."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024


async def test_ranges_are_exact_slices_of_the_file_on_disk(user, observe, tmp_path, rng):
    """Behaviour 34: a range gets 206 and its bytes. Ask for heads, middles, tails and 20 random slices; compare with the disk."""
    folder = await filled(user, tmp_path)
    content = observe.content(folder.id)["deep/er/b c.bin"]
    size = len(content)
    asked = [(0, 0), (0, size - 1), (size - 1, size + 99), (1000, 1999)]
    for _ in range(20):
        start = rng.randrange(size)
        asked.append((start, rng.randrange(start, size)))
    async with files(await folder.grant("read")) as http:
        for first, last in asked:
            headers = {"Range": f"bytes={first}-{last}"}
            answer = await http("GET", "deep/er/b%20c.bin", headers=headers)
            assert (answer.status, answer.body) == (206, content[first : last + 1])
        for suffix in (1, 4096, size, size * 2):
            headers = {"Range": f"bytes=-{suffix}"}
            answer = await http("GET", "deep/er/b%20c.bin", headers=headers)
            assert (answer.status, answer.body) == (206, content[-suffix:])
        for wrong in (f"bytes={size}-", "bytes=-0"):
            answer = await http("GET", "deep/er/b%20c.bin", headers={"Range": wrong})
            assert (answer.status, answer.code) == (416, "range-not-satisfiable")


@pytest.mark.parametrize(
    ("form", "unpack"),
    [("tar", ("tar", "-xf")), ("zip", ("python3", "-m", "zipfile", "-e"))],
)
async def test_archive_lists_all_and_other_programs_read_it(user, observe, tmp_path, form, unpack):
    """Behaviour 34: a directory comes as one stream with everything in it. Unpack with a program of its own kind; compare with the disk."""
    folder = await filled(user, tmp_path)
    archive, out = tmp_path / f"all.{form}", tmp_path / "out"
    grant = await folder.grant("read")
    out.mkdir()
    async with bearer(grant.url, grant.token) as http:
        answer = await http("GET", f"/client/v1/archive?format={form}")
    archive.write_bytes(answer.body)
    target = ("-C", str(out)) if form == "tar" else (str(out),)
    await asyncio.to_thread(subprocess.run, [*unpack, str(archive), *target], check=True)
    unpacked = {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file()
    }
    assert unpacked == observe.content(folder.id) == FILES


@pytest.mark.timeout(240)
async def test_large_transfers_need_no_memory(private_cluster, user, observe, tmp_path, rng):
    """Memory is flat with size. Send 192 MiB up, get it down as file and archive; the storage-proxy's peak stays 64 MiB above idle."""
    noise = tmp_path / "noise.bin"
    block = rng.randbytes(1024 * 1024)
    with noise.open("wb") as file:
        for _ in range(LARGE_BYTES // len(block)):
            file.write(block)
    pid = private_cluster.process("storage-proxy").pid
    idle = peak_bytes(pid)
    folder = await user.folders.create("large")
    await folder.upload(noise)
    await folder.download("noise.bin", tmp_path / "again.bin")
    grant = await folder.grant("read")
    credential = {"Authorization": f"Bearer {grant.token}"}
    received = 0
    async with aiohttp.ClientSession(headers=credential) as http:
        async with http.get(f"{grant.url}/client/v1/archive?format=zip") as response:
            async for chunk in response.content.iter_any():
                received += len(chunk)
    assert received > LARGE_BYTES
    assert peak_bytes(pid) - idle < MEMORY_BYTES_MAX
    stored = observe.trees()[folder.id] / "noise.bin"
    with noise.open("rb") as sent, stored.open("rb") as kept:
        digests = [hashlib.file_digest(each, "sha256").digest() for each in (sent, kept)]
    assert digests[0] == digests[1]
