"""What a namespaced kernel sees of its machine, and what it may do there; told by its own code and by /proc."""

import ast
import os
import socket
import sys
from pathlib import Path

import pytest

from quarterdeck.testing.workshops import execute

pytestmark = pytest.mark.usefixtures("mounts")

TOPS = {Path(path).absolute().parts[1] for path in (sys.prefix, sys.base_prefix, *sys.path)}
"""Where Python and what it imports lie, at the top."""


async def seen(kernel, expression):
    """The value of an expression in a kernel."""
    done = await execute(kernel, expression)
    assert done.error is None, done.error.traceback
    return ast.literal_eval(done.result)


def owner_of(path):
    """The uid of a file's owner."""
    return Path(path).stat().st_uid


async def error_of(kernel, *statements):
    """The number of the error that each statement ends in, None for one that works."""
    code = f"""
import ctypes, os, socket
def number(text):
    try: exec(text)
    except OSError as error: return error.errno
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    if getattr(libc, name)(*arguments) < 0: raise OSError(ctypes.get_errno(), name)
[number(text) for text in {statements!r}]
"""
    return await seen(kernel, code)


async def test_its_file_system_is_what_programs_need(workshop):
    kernel = await workshop.make()
    await seen(kernel, "import os; 0")
    root = set(await seen(kernel, "os.listdir('/')"))
    assert root <= {
        *(
            "bin",
            "dev",
            "etc",
            "lib",
            "lib32",
            "lib64",
            "libx32",
            "proc",
            "run",
            "sbin",
            "tmp",
            "usr",
        ),
        *TOPS,
        Path(workshop.scratch.directory("")).parts[1],
    }
    assert sorted(await seen(kernel, "os.listdir('/run')")) == [
        *("group", "hostname", "hosts", "passwd", "resolv.conf"),
    ]
    assert (
        await seen(
            kernel, "[os.path.exists(p) for p in ('/etc/shadow', '/sys/kernel', '/var/lib')]"
        )
        == [False] * 3
    )
    devices = "sorted(n for n in os.listdir('/dev') if not os.path.islink('/dev/' + n))"
    assert await seen(kernel, devices) == [
        *("full", "null", "pts", "random", "shm", "tty", "urandom", "zero"),
    ]


async def test_it_sees_its_own_scratch_directory_alone(workshop):
    kernel, other = await workshop.make(), await workshop.make()
    await execute(other, "open('secret', 'w').write('x')")
    root = str(workshop.scratch.directory(""))
    assert await seen(kernel, f"import os; os.listdir({root!r})") == [kernel.id]


async def test_it_writes_where_it_should_and_nowhere_else(workshop):
    kernel = await workshop.make()
    places = (
        "/",
        "/usr",
        "/etc",
        "/run",
        "/dev",
        "/proc/sys/kernel",
        "/tmp",
        "/dev/shm",
        "tmp/..",
        ".",
    )
    errors = await error_of(kernel, *(f"open('{place}/new', 'w').close()" for place in places))
    assert errors[-4:] == [None, None, 2, None]
    assert None not in errors[:6]


async def test_what_it_writes_belongs_to_the_agents_user(workshop, tmp_path):
    kernel = await workshop.make()
    await execute(kernel, "open('mine', 'w').write('x')")
    assert owner_of(workshop.scratch.directory(kernel.id) / "work" / "mine") == os.geteuid()
    assert await seen(kernel, "import os; os.stat('mine').st_uid == os.getuid()")


async def test_of_root_it_is_another_user_than_any_other_kernel(workshop):
    first, second = await workshop.make(), await workshop.make()
    uids = [owner_of(f"/proc/{one.pid}") for one in (first, second)]
    if os.geteuid() == 0:
        assert len({0, *uids}) == 3
        assert min(uids) >= 2**30
    name = await seen(first, "import os, pwd; pwd.getpwuid(os.getuid()).pw_name")
    assert name == "user"


async def test_its_network_has_itself_alone(workshop):
    kernel = await workshop.make()
    with socket.create_server(("127.0.0.1", 0)) as here:
        port = here.getsockname()[1]
        tries = (f"socket.create_connection(('127.0.0.1', {port}))",)
        assert await error_of(kernel, *tries) == [111]
    assert await seen(kernel, "[name for _, name in socket.if_nameindex()]") == ["lo"]
    talk = """
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname())
server.accept()[0].send(b"hi")
client.recv(2)
"""
    assert await seen(kernel, talk) == b"hi"


async def test_it_has_a_name_and_a_network_name(workshop):
    kernel = await workshop.make(hostname="main1")
    assert await seen(
        kernel, "import socket; (socket.gethostname(), socket.gethostbyname('main1'))"
    ) == (
        "main1",
        "127.0.1.1",
    )


async def test_calls_that_change_the_machine_or_others_are_refused(workshop):
    kernel = await workshop.make()
    calls = (
        "call('unshare', 0x10000000)",
        "call('mount', b'none', b'/tmp', b'tmpfs', 0, None)",
        "call('ptrace', 16, 1, 0, 0)",
        "call('syscall', 250, 0, 0)",
        "call('syscall', 425, 1, 0)",
        "call('syscall', 435, 0, 0)",
        "socket.socket(40, socket.SOCK_STREAM)",
        "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
        "os.mknod('node', 0o20666, 0x103)",
    )
    if os.uname().machine == "x86_64":
        assert await error_of(kernel, *calls) == [1, 1, 1, 1, 1, 38, 97, 97, 1]


async def test_terminals_and_threads_and_processes_work(workshop):
    kernel = await workshop.make()
    code = """
import multiprocessing, os, pty, subprocess, sys, tempfile, threading
main, other = os.openpty()
os.write(other, b"x")
name = os.ttyname(other)
thread = threading.Thread(target=lambda: None)
thread.start(); thread.join()
lock = multiprocessing.Lock()
out = subprocess.check_output([sys.executable, "-c", "print(6 * 7)"])
(name, os.read(main, 1), out, tempfile.gettempdir().startswith("/"))
"""
    assert await seen(kernel, code) == ("/dev/pts/0", b"x", b"42\n", True)


async def test_set_uid_programs_stay_what_their_caller_is(workshop):
    kernel = await workshop.make()
    code = """
import os, subprocess
suid = next(p for p in ("/usr/bin/su", "/usr/bin/passwd", "/bin/su") if os.path.exists(p))
(os.statvfs(suid).f_flag & os.ST_NOSUID, "NoNewPrivs:\\t1" in open("/proc/self/status").read())
"""
    assert await seen(kernel, code) == (os.ST_NOSUID, True)
