"""Ways out of a kernel, as data: what each is after, and the code that tries it from inside. For tests of isolation.

The code runs in a session of a user who means harm. `target` holds what an attacker could hope to know: paths, pids, ports, names of the
rest of the system. It ends with `got`: true if the attempt has come through. An attempt that raises OSError has failed.
"""

from typing import NamedTuple


class Escape(NamedTuple):
    """One way out."""

    name: str
    code: str


PRELUDE = """
import array, ctypes, fcntl, glob, mmap, os, signal, socket, stat, struct, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    result = libc.syscall(number, *arguments)
    if result < 0: raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
def reads(*paths):
    found = b""
    for path in paths:
        try: found += open(path, "rb").read(2**20)
        except OSError: pass
    return found
def any_of(attempt, things):
    through = []
    for thing in things:
        try:
            if attempt(thing): through.append(thing)
        except OSError: pass
    return through
def connects(family, address):
    with socket.socket(family, socket.SOCK_STREAM) as one:
        one.settimeout(1)
        one.connect(address)
        return True
def writes(path):
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o644))
    return True
secret = target["secret"].encode()
got = None
"""

FILES = (
    Escape("another user's scratch directory", "got = secret in reads(target['scratch_secret'])"),
    Escape("another user's folder", "got = secret in reads(target['folder_secret'])"),
    Escape(
        "the scratch directories of all kernels",
        "got = os.listdir(target['scratch_root']) != [target['kernel']]",
    ),
    Escape("the platform's own files", "got = any_of(os.listdir, target['directories'])"),
    Escape(
        "up and out of the working directory",
        "got = secret in reads('/proc/self/cwd/../../' + target['other_kernel'] + '/work/secret')",
    ),
    Escape(
        "/proc/self/root",
        "got = secret in reads('/proc/self/root' + target['scratch_secret'],"
        " '/proc/self/root/../../' + target['scratch_secret'])",
    ),
    Escape(
        "the root directories of other processes",
        "got = secret in reads(*(f'/proc/{pid}/root' + target['scratch_secret']"
        " for pid in (1, target['agent'], target['zygote'], os.getppid())))",
    ),
    Escape("passwords of the host", "got = b'root' in reads('/etc/shadow')"),
    Escape(
        "home directories",
        "got = any_of(os.listdir, ['/home', '/root/.ssh', '/var', '/opt', '/srv'])",
    ),
    Escape(
        "the programs of the host, to write",
        "got = any_of(writes, ['/usr/harm', '/usr/bin/env', '/bin/harm'])",
    ),
    Escape(
        "this interpreter, to write",
        "got = any_of(writes, [sys.prefix + '/harm', sys.base_prefix + '/harm', os.__file__])",
    ),
    Escape(
        "settings, to write",
        "got = any_of(writes, ['/etc/passwd', '/etc/ld.so.preload', '/run/hosts', '/harm'])",
    ),
    Escape(
        "a name that stands for another directory",
        "os.symlink(os.path.dirname(target['scratch_secret']), 'link')\ngot = os.listdir('link')",
    ),
    Escape(
        "files by handle",
        "handle = ctypes.create_string_buffer(struct.pack('Ii', 128, 0) + bytes(128))\n"
        "number = ctypes.c_int()\n"
        "call(303, -100, b'.', handle, ctypes.byref(number), 0)\n"
        "got = call(304, os.open('.', os.O_RDONLY), handle, os.O_RDONLY)",
    ),
    Escape(
        "device nodes, made",
        "os.mknod('disk', 0o600 | stat.S_IFBLK, os.makedev(254, 0))\ngot = True",
    ),
    Escape(
        "device nodes, found",
        "got = any_of(reads, glob.glob('/dev/[shvn]d*') + glob.glob('/dev/nvme*')"
        " + ['/dev/mem', '/dev/kmsg', '/dev/port', '/dev/fuse', '/dev/kvm', '/dev/loop0', '/dev/vsock'])",
    ),
    Escape(
        "a program that runs as its owner",
        "open('shell', 'wb').write(open('/bin/sh', 'rb').read())\nos.chmod('shell', 0o4755)\ngot = True",
    ),
    Escape(
        "the same, from the start",
        "os.close(os.open('rooted', os.O_CREAT | os.O_WRONLY, 0o6777))\ngot = os.stat('rooted').st_mode & 0o6000",
    ),
    Escape(
        "the same, without a name at first",
        "one = os.open('.', os.O_TMPFILE | os.O_WRONLY, 0o6777)\n"
        "os.link(f'/proc/self/fd/{one}', 'unnamed')\ngot = os.stat('unnamed').st_mode & 0o6000",
    ),
    Escape(
        "set-uid programs of the host",
        "got = any_of(lambda path: os.stat(path).st_mode & stat.S_ISUID and not os.statvfs(path).f_flag & os.ST_NOSUID,"
        " glob.glob('/usr/bin/*'))",
    ),
    Escape(
        "memory that others share by name",
        "got = secret in reads('/dev/shm/' + target['shared'])",
    ),
)

PROCESSES = (
    Escape(
        "the environment of the agent and the zygote",
        "got = b'SECRET' in reads(*(f'/proc/{pid}/environ' for pid in (target['agent'], target['zygote'], 1)))",
    ),
    Escape(
        "the environment of anybody", "got = secret in reads(*glob.glob('/proc/[0-9]*/environ'))"
    ),
    Escape("the memory of the first process", "got = open('/proc/1/mem', 'rb').read(1)"),
    Escape(
        "descriptors of the first process", "got = os.getpid() > 1 and os.listdir('/proc/1/fd')"
    ),
    Escape(
        "how soon the first process is ended for want of memory",
        "open('/proc/1/oom_score_adj', 'w').write('1000')\ngot = os.getpid() > 1",
    ),
    Escape(
        "processes of others", "got = any_of(lambda pid: os.kill(pid, 0) is None, target['pids'])"
    ),
    Escape(
        "a signal to another's process", "os.kill(target['victim'], signal.SIGKILL)\ngot = True"
    ),
    Escape(
        "the first process, ended",
        "os.kill(1, signal.SIGKILL)\nos.kill(1, signal.SIGTERM)\ngot = False",
    ),
    Escape("tracing another's process", "got = call(101, 16, target['victim'], 0, 0) == 0"),
    Escape("tracing the first process", "got = call(101, 16, 1, 0, 0) == 0"),
    Escape(
        "reading another's memory",
        "room = ctypes.create_string_buffer(16)\n"
        "vector = struct.pack('PN', ctypes.addressof(room), 16)\n"
        "got = call(310, target['victim'], vector, 1, vector, 1, 0) > 0",
    ),
    Escape(
        "another's descriptors",
        "handle = os.pidfd_open(target['victim'])\ngot = call(438, handle, 1, 0) >= 0",
    ),
    Escape(
        "descriptors that it inherited",
        "kinds = {}\n"
        "for name in os.listdir('/proc/self/fd'):\n"
        "    if not os.path.exists(f'/proc/self/fd/{name}'): continue\n"
        "    to = os.readlink(f'/proc/self/fd/{name}')\n"
        "    kinds.setdefault(to, []).append(int(name))\n"
        "kinds.pop('/dev/null', None)\n"
        "sockets = [to for to in kinds if to.startswith('socket:')]\n"
        "pipes = [to for to in kinds if to.startswith('pipe:')]\n"
        "others = set(kinds) - set(sockets) - set(pipes)\n"
        "got = [len(sockets), len(pipes), sorted(others)] if len(sockets) > 1 or len(pipes) > 2 or others else None",
    ),
    Escape(
        "cores that are not its own", "os.sched_setaffinity(0, range(os.cpu_count()))\ngot = True"
    ),
    Escape("a better place in the queue", "os.setpriority(os.PRIO_PROCESS, 0, -5)\ngot = True"),
    Escape("real time", "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))\ngot = True"),
)

NETWORK = (
    Escape(
        "whoever listens on TCP: manager, agent, storage-proxy, PostgreSQL, Redis, etcd",
        "got = any_of(lambda port: connects(socket.AF_INET, ('127.0.0.1', port)), target['ports'])",
    ),
    Escape(
        "whoever listens on Unix sockets",
        "got = any_of(lambda path: connects(socket.AF_UNIX, path), target['sockets'])",
    ),
    Escape(
        "abstract sockets",
        "got = any_of(lambda name: connects(socket.AF_UNIX, chr(0) + name), target['abstract'])",
    ),
    Escape(
        "the host's other addresses",
        "got = any_of(lambda address: connects(socket.AF_INET, (address, target['ports'][0])), target['addresses'])",
    ),
    Escape(
        "an address of the host's, to listen on",
        "kept = socket.socket()\n"
        "kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n"
        "kept.bind(('0.0.0.0', target['free_port']))\n"
        "kept.listen()\n"
        "got = False",
    ),
    Escape("the machine's hypervisor", "got = socket.socket(40, socket.SOCK_STREAM)"),
    Escape("raw packets", "got = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)"),
    Escape("raw IP", "got = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)"),
    Escape(
        "a network device of its own",
        "one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "fcntl.ioctl(one, 0x8914, struct.pack('16sh14x', b'lo', 0))\ngot = True",
    ),
    Escape("System V memory of others", "got = libc.shmget(target['shared_key'], 0, 0) >= 0"),
)

MACHINE = (
    Escape("a mount", "got = call(165, b'none', b'/tmp', b'tmpfs', 0, None) == 0"),
    Escape(
        "a read-only mount made writable",
        "got = call(165, b'none', b'/usr', None, 0x1020, None) == 0",
    ),
    Escape("an unmount", "got = call(166, b'/proc/sys', 2) == 0"),
    Escape("a mount by the newer calls", "got = call(430, b'tmpfs', 0) >= 0"),
    Escape("a copy of a mount", "got = call(428, -100, b'/usr', 1) >= 0"),
    Escape("another root", "os.chroot('.')\ngot = True"),
    Escape("user namespaces", "got = call(272, 0x10000000) == 0"),
    Escape("user namespaces by clone", "got = call(56, 0x10000000 | 17, 0, 0, 0, 0) >= 0"),
    Escape(
        "user namespaces by clone3",
        "got = call(435, struct.pack('11Q', 0x10000000, *[0] * 10), 88) >= 0",
    ),
    Escape(
        "namespaces of the first process",
        "got = call(308, os.open('/proc/1/ns/mnt', os.O_RDONLY), 0) == 0",
    ),
    Escape(
        "the program for core dumps",
        "got = any_of(writes, ['/proc/sys/kernel/core_pattern', '/proc/sys/kernel/modprobe'])",
    ),
    Escape(
        "the machine's switches",
        "got = any_of(writes, ['/proc/sysrq-trigger', '/sys/power/state', '/proc/sys/vm/drop_caches'])",
    ),
    Escape("cgroups", "got = any_of(os.listdir, ['/sys/fs/cgroup', '/sys/fs/cgroup/memory'])"),
    Escape("key rings", "got = call(250, 0, -4, 1) >= 0"),
    Escape("a key", "got = call(248, b'user', b'harm', b'x', 1, -4) >= 0"),
    Escape("programs in the kernel", "got = call(321, 5, bytes(128), 128) >= 0"),
    Escape("counters of the machine", "got = call(298, bytes(128), 0, -1, -1, 0) >= 0"),
    Escape("requests past the filter", "got = call(425, 1, bytes(120)) >= 0"),
    Escape("faults of pages", "got = call(323, 0) >= 0"),
    Escape("another kernel", "got = call(246, 0, 0, None, 0) == 0"),
    Escape("modules", "got = call(175, b'x', 1, b'') == 0"),
    Escape("messages of the machine", "got = call(103, 3, bytes(64), 64) >= 0"),
    Escape("the clock", "got = call(227, 0, bytes(16)) == 0"),
    Escape("the machine's name", "socket.sethostname('harm')\ngot = True"),
    Escape("a reboot", "got = call(169, 0xfee1dead, 672274793, 0, None) == 0"),
    Escape(
        "a terminal that types",
        "main, other = os.openpty()\nfcntl.ioctl(other, 0x5412, b'x')\ngot = True",
    ),
    Escape("root", "os.setuid(0)\ngot = True"),
    Escape("other groups", "os.setgroups([0])\ngot = True"),
)

ESCAPES = FILES + PROCESSES + NETWORK + MACHINE


def attempt(escape: Escape, target: dict[str, object]) -> str:
    """Return the code that tries an escape; its result says `failed: ...`, or `THROUGH: ...` with what was got."""
    return f"""
target = {target!r}
def attempt():
    names = {{"target": target}}
    try:
        exec({PRELUDE + escape.code!r}, names)
    except OSError as error:
        return f"failed: {{error!r}}"
    return f"THROUGH: {{names['got']!r}}" if names["got"] else "failed: nothing there"
attempt()
"""
