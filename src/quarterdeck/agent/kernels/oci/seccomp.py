"""Which system calls a container may make: those that programs need, for runc's `linux.seccomp`. Pure; used by `bundle`.

All else fails with EPERM: what makes namespaces or mounts, looks into other processes, loads code into the kernel. `clone3`, whose flags no
filter can see, fails with ENOSYS, so that the C library uses `clone`; so does `openat2`. No file gets a set-id bit: on disk it is the agent's
user's, and would run as that one. Nobody chooses processors: those of a container are set before it starts.
"""

import errno
import socket
from typing import Any

_ARCHITECTURES = {"x86_64": "SCMP_ARCH_X86_64", "aarch64": "SCMP_ARCH_AARCH64"}
_NAMESPACE_FLAGS = 0x7E020080
"""All CLONE_NEW... of `clone`."""

_PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)
_FAMILIES = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK)

_MODES = {
    "chmod": 1,
    "fchmod": 1,
    "fchmodat": 2,
    "creat": 1,
    "mkdir": 1,
    "mkdirat": 2,
    "mknod": 1,
    "mknodat": 2,
}
"""Calls that give a file a mode, and which argument that is."""

_OPENS = {"open": 1, "openat": 2}
"""Calls that may make a file: which argument says so; the mode comes after it."""

_SET_ID = 0o6000
_MAKES = 0o100 | 0o20000000
"""O_CREAT, O_TMPFILE."""

_OF_ARCHITECTURES = ("arch_prctl", "set_tls", "sync_file_range2", "cacheflush")

_ALLOWED = """
_llseek _newselect accept accept4 access adjtimex alarm bind brk capget capset chdir chown
chown32 clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime
clock_gettime64 clock_nanosleep clock_nanosleep_time64 close close_range connect copy_file_range
dup dup2 dup3 epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2
epoll_wait epoll_wait_old eventfd eventfd2 execve execveat exit exit_group faccessat faccessat2
fadvise64 fadvise64_64 fallocate fanotify_mark fchdir fchown fchown32 fchownat fcntl fcntl64
fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs
fstatfs64 fsync ftruncate ftruncate64 futex futex_time64 futimesat get_mempolicy get_robust_list
get_thread_area getcpu getcwd getdents getdents64 getegid getegid32 geteuid geteuid32 getgid
getgid32 getgroups getgroups32 getitimer getpeername getpgid getpgrp getpid getppid getpriority
getrandom getresgid getresgid32 getresuid getresuid32 getrlimit getrusage getsid getsockname
getsockopt gettid gettimeofday getuid getuid32 getxattr inotify_add_watch inotify_init
inotify_init1 inotify_rm_watch io_cancel ioctl io_destroy io_getevents io_setup io_submit
ioprio_get ioprio_set ipc kill landlock_add_rule landlock_create_ruleset landlock_restrict_self
lchown lchown32 lgetxattr link linkat listen listxattr llistxattr lremovexattr lseek lsetxattr
lstat lstat64 madvise mbind membarrier memfd_create memfd_secret mincore mlock mlock2 mlockall
mmap mmap2 mprotect mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64
mq_timedsend mq_timedsend_time64 mq_unlink mremap msgctl msgget msgrcv msgsnd msync munlock
munlockall munmap nanosleep newfstatat pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc
pkey_free pkey_mprotect poll ppoll ppoll_time64 prctl pread64 preadv preadv2 prlimit64
process_mrelease pselect6 pselect6_time64 pwrite64 pwritev pwritev2 read readahead readdir
readlink readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg remap_file_pages
removexattr rename renameat renameat2 restart_syscall rmdir rseq rt_sigaction rt_sigpending
rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64
rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr
sched_getparam sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64
sched_setattr sched_setparam sched_setscheduler sched_yield seccomp select semctl semget semop
semtimedop semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto set_mempolicy
set_robust_list set_thread_area set_tid_address setfsgid setfsgid32 setfsuid setfsuid32 setgid
setgid32 setgroups setgroups32 setitimer setpgid setpriority setregid setregid32 setresgid
setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit setsid setsockopt setuid
setuid32 setxattr shmat shmctl shmdt shmget shutdown sigaction sigaltstack signal signalfd
signalfd4 sigpending sigprocmask sigreturn sigsuspend socketpair splice stat stat64 statfs
statfs64 statx symlink symlinkat sync sync_file_range syncfs syscall sysinfo tee tgkill time
timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime
timer_settime64 timerfd timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime
timerfd_settime64 times tkill truncate truncate64 ugetrlimit umask uname unlink unlinkat utime
utimensat utimensat_time64 utimes vfork wait4 waitid waitpid write writev
"""


def profile(machine: str) -> dict[str, Any]:
    """Return the profile for a machine as uname names it."""
    found = _ARCHITECTURES.get(machine)
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": errno.EPERM,
        "architectures": [found] if found else [],
        "syscalls": [
            _allow(*_ALLOWED.split(), *_OF_ARCHITECTURES),
            _allow("clone", args=[_test(0, "MASKED_EQ", _NAMESPACE_FLAGS)]),
            *(_allow(name, args=[_test(at, "MASKED_EQ", _SET_ID)]) for name, at in _MODES.items()),
            *(
                _allow(name, args=[_test(at, "MASKED_EQ", mask)])
                for name, flags in _OPENS.items()
                for at, mask in ((flags, _MAKES), (flags + 1, _SET_ID))
            ),
            {"names": ["clone3", "openat2"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno.ENOSYS},
            *(_allow("socket", args=[_test(0, "EQ", family)]) for family in _FAMILIES),
            *(_allow("personality", args=[_test(0, "EQ", one)]) for one in _PERSONALITIES),
        ],
    }


def _allow(*names: str, args: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {"names": list(names), "action": "SCMP_ACT_ALLOW", "args": args or []}


def _test(index: int, operator: str, value: int) -> dict[str, Any]:
    return {"index": index, "op": f"SCMP_CMP_{operator}", "value": value, "valueTwo": 0}
