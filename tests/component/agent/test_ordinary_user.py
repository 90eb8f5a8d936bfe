"""An agent of an ordinary user, whose kernels have namespaces as root's have."""

import json

from quarterdeck.testing import ordinary

PROGRAM = """
import asyncio, json, subprocess, tempfile
from pathlib import Path
from quarterdeck.testing import workshops
from quarterdeck.testing.workshops import execute

FORKS = '''
import os, signal
children = []
try:
    while True:
        child = os.fork()
        if child == 0: signal.pause()
        children.append(child)
except BlockingIOError:
    for child in children: os.kill(child, signal.SIGKILL)
len(children)
'''
SEEN = "import os; [pid for pid in os.listdir('/proc') if pid.isdecimal()], os.path.exists('/etc/shadow')"

async def main():
    with tempfile.TemporaryDirectory() as room:
        async with workshops.zygote(isolate=True) as launcher, workshops.opened(launcher, Path(room)) as shop:
            kernel = await shop.make(processes=20)
            told = [(await execute(kernel, code)).result for code in (SEEN, FORKS)]
            await shop.end(kernel)
            left = list(shop.scratch.directory(kernel.id).parent.glob(kernel.id))
            print(json.dumps({"level": launcher.level, "told": told, "left": left}))

others = [subprocess.Popen(["sleep", "60"]) for _ in range(30)]
try:
    asyncio.run(main())
finally:
    for other in others:
        other.kill()
        other.wait()
"""


def test_kernels_of_an_ordinary_user_are_kept_apart_and_limited_alone():
    """As such a user with thirty other processes, fill a kernel to its twenty: it sees only its own, and has room for all of them."""
    told = json.loads(ordinary.run(PROGRAM, 60))
    assert told == {"level": "namespaced", "told": ["(['1', '2'], False)", "19"], "left": []}
