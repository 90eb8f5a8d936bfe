"""A component starts, stops by signal with code 0, fails with code 1 and a log line, and refuses bad configuration with code 2."""

import asyncio
import json
import signal
import sys

import pytest

PROGRAM = """
import asyncio, sys
from quarterdeck.base import lifecycle

def load(environment):
    return environment.number("QD_N", 0), environment.secret("QD_KEY")

async def main(configuration, stop):
    if configuration[0] == 7:
        raise ValueError("seven")
    print("ready", flush=True)
    await stop.wait()

sys.exit(lifecycle.run("part", load, main))
"""


async def start(**environment):
    path = {"PYTHONPATH": ":".join(filter(None, sys.path))}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROGRAM,
        env=path | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def end(process):
    """Return exit code and the lines on standard error."""
    async with asyncio.timeout(10):
        _, err = await process.communicate()
    return process.returncode, err.decode().splitlines()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signal_stops_it_cleanly(number):
    process = await start(QD_KEY="hush")
    assert await process.stdout.readline() == b"ready\n"
    process.send_signal(number)
    code, lines = await end(process)
    assert code == 0
    assert [json.loads(line)["event"] for line in lines] == ["stop-requested", "component-stopped"]
    assert json.loads(lines[0])["component"] == "part"


async def test_error_ends_it_with_a_logged_traceback():
    code, lines = await end(await start(QD_KEY="hush", QD_N="7"))
    assert code == 1
    (line,) = map(json.loads, lines)
    assert (line["event"], line["level"]) == ("component-failed", "error")
    assert line["traceback"].endswith("ValueError: seven")


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, "QD_KEY is not set"),
        ({"QD_KEY": "hush", "QD_N": "x"}, "QD_N is not a whole number: 'x'"),
        ({"QD_KEY": "hush", "QD_LOG_LEVEL": "loud"}, "QD_LOG_LEVEL is not debug"),
    ],
)
async def test_bad_configuration_is_one_line(environment, words):
    code, lines = await end(await start(**environment))
    assert code == 2
    assert len(lines) == 1
    assert lines[0].startswith(f"part: configuration: {words}")
    assert "hush" not in lines[0]
