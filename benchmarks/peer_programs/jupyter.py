"""Jupyter's Kernel Gateway (`jupyter.py gateway`) or its server (`jupyter.py server`), as shipped. Reads what to measure from its input, a line each, and answers with a line of JSON.

`first_output N`, `execute N`: milliseconds. `rate CLIENTS SECONDS`: kernels a second. `memory`: MB that an idle kernel shares with nobody.
`idle SECONDS`: percent of a core, MB. `kernel`: the URL of a kernel that stays.
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path

import aiohttp

READY_SECONDS_MAX = 60


class Gateway:
    def __init__(self, http: aiohttp.ClientSession, server: int, base: str) -> None:
        self._http = http
        self._server = server
        self._base = base
        self._warm = None

    async def first_output(self, number: str) -> list[float]:
        return [1000 * await self._first_output() for _ in range(int(number))]

    async def execute(self, number: str) -> list[float]:
        if self._warm is None:
            self._warm = await self._http.ws_connect(f"{await self.kernel()}/channels")
            await run(self._warm, "1+1")
        samples = []
        for _ in range(int(number)):
            began = time.perf_counter()
            await run(self._warm, "1+1")
            samples.append(1000 * (time.perf_counter() - began))
        return samples

    async def rate(self, clients: str, seconds: str) -> list[float]:
        done, began = 0, time.perf_counter()

        async def client() -> None:
            nonlocal done
            while time.perf_counter() < began + float(seconds):
                await self._first_output()
                done += 1

        async with asyncio.TaskGroup() as group:
            for _ in range(int(clients)):
                group.create_task(client())
        return [done / (time.perf_counter() - began)]

    async def memory(self) -> list[float]:
        kernel = await self.kernel()
        async with self._http.ws_connect(f"{kernel}/channels") as channels:
            await run(channels, "1+1")
        *_, newest = children(self._server)
        found = memory_mb(newest, ("Private_Clean", "Private_Dirty"))
        async with self._http.delete(kernel):
            return [found]

    async def idle(self, seconds: str) -> list[float]:
        before = cpu_seconds(self._server)
        await asyncio.sleep(float(seconds))
        used = cpu_seconds(self._server) - before
        return [100 * used / float(seconds), memory_mb(self._server, ("Pss",))]

    async def kernel(self) -> str:
        async with self._http.post(f"{self._base}/api/kernels", json={}) as response:
            return f"{self._base}/api/kernels/{(await response.json())['id']}"

    async def answers(self) -> None:
        async with asyncio.timeout(READY_SECONDS_MAX):
            while not await self._answer():  # noqa: ASYNC110 - it tells nobody when it is ready
                await asyncio.sleep(0.05)

    async def _answer(self) -> bool:
        try:
            async with self._http.get(f"{self._base}/api"):
                return True
        except aiohttp.ClientConnectionError:
            return False

    async def _first_output(self) -> float:
        began = time.perf_counter()
        kernel = await self.kernel()
        async with self._http.ws_connect(f"{kernel}/channels") as channels:
            await run(channels, "print(1+1)")
        seconds = time.perf_counter() - began
        async with self._http.delete(kernel):
            return seconds


async def run(channels: aiohttp.ClientWebSocketResponse, code: str) -> None:
    """Execute code and wait for its reply and for the kernel to be idle again."""
    message = str(uuid.uuid4())
    await channels.send_json(request(message, code))
    replied = idle = False
    while not (replied and idle):
        answer = json.loads((await channels.receive()).data)
        if answer["parent_header"].get("msg_id") != message:
            continue
        replied = replied or answer["msg_type"] == "execute_reply"
        idle = idle or (
            answer["msg_type"] == "status" and answer["content"]["execution_state"] == "idle"
        )


def request(message: str, code: str) -> dict:
    return {
        "header": {
            "msg_id": message,
            "msg_type": "execute_request",
            "username": "",
            "session": message,
            "version": "5.3",
        },
        "parent_header": {},
        "metadata": {},
        "channel": "shell",
        "content": {
            "code": code,
            "silent": False,
            "store_history": False,
            "user_expressions": {},
            "allow_stdin": False,
        },
    }


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def memory_mb(pid: int, kinds: tuple[str, ...]) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.split(":")[0] in kinds) / 1024


def cpu_seconds(pid: int) -> float:
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


SWITCHES = {
    "gateway": (
        "jupyter-kernelgateway",
        "--KernelGatewayApp.ip=127.0.0.1",
        "--KernelGatewayApp.port_retries=0",
        "--KernelGatewayApp.port={port}",
    ),
    "server": (
        "jupyter-server",
        "--ServerApp.ip=127.0.0.1",
        "--ServerApp.port_retries=0",
        "--ServerApp.port={port}",
        "--ServerApp.open_browser=False",
        "--ServerApp.allow_root=True",
        "--ServerApp.disable_check_xsrf=True",
        "--IdentityProvider.token=",
    ),
}


def start(kind: str, port: int) -> subprocess.Popen:
    """A server with its kernels in a process group of their own."""
    program, *switches = (one.format(port=port) for one in SWITCHES[kind])
    command = str(Path(sys.executable).parent / program)
    path = f"{Path(command).parent}:{os.environ.get('PATH', '')}"
    return subprocess.Popen(
        [command, *switches],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "PATH": path},
    )


def stop(server: subprocess.Popen) -> None:
    """End the server, which ends its kernels; then whatever is left of either."""
    kernels = children(server.pid)
    server.terminate()
    try:
        server.wait(20)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
    for kernel in kernels:
        if "ipykernel" in command_line(kernel):
            os.kill(kernel, signal.SIGKILL)


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


async def main() -> None:
    port = free_port()
    server = start(sys.argv[1], port)
    try:
        async with aiohttp.ClientSession() as http:
            gateway = Gateway(http, server.pid, f"http://127.0.0.1:{port}")
            await gateway.answers()
            while line := await asyncio.to_thread(sys.stdin.readline):
                name, *words = line.split()
                print(json.dumps(await getattr(gateway, name)(*words)), flush=True)
    finally:
        stop(server)


asyncio.run(main())
