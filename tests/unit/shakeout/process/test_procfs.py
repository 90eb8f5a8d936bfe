"""Parsers of /proc, on text as the kernel writes it."""

import os

from shakeout.process import procfs

STAT = (
    "4242 (tmux: (x) server) S 1 4242 4240 0 -1 4194560 1199 0 0 0 150 50 7 8 20 0 1 0 73412 "
    "9437184 819 18446744073709551615 1 1 0 0 0 0 0 3670020 1266777851 0 0 0 17 1 0 0 0 0 0 0"
)
TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:4E20 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 5555 1 0000 100 0 0 10 0
   1: 0100007F:4E20 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 5556 1 0000 20 4 30 10 -1
"""
SEGMENTS = """\
       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime                   rss                  swap
      5432     32769   600                    56  4242  4243      6  1000  1000  1000  1000 1769860800 1769860801 1769860799                  4096                     0
"""


def test_stat_with_spaces_and_brackets_in_the_name():
    found = procfs.parse_stat(STAT)
    assert (found.pid, found.comm, found.state) == (4242, "tmux: (x) server", "S")
    assert (found.parent, found.group, found.session) == (1, 4242, 4240)
    assert found.cpu_seconds == 200 / procfs.TICKS_PER_SECOND
    assert found.started == 73412
    assert found.resident_bytes == 819 * procfs.PAGE_BYTES
    assert found.alive


def test_zombie_is_not_alive():
    assert not procfs.parse_stat(STAT.replace(") S ", ") Z ")).alive


def test_only_listening_sockets_are_listeners():
    assert procfs.parse_listeners(TCP) == [procfs.Listener("0100007F", 20000, 5555)]


def test_segments():
    assert procfs.parse_segments(SEGMENTS) == [
        procfs.Segment(
            identifier=32769, bytes=56, creator=4242, attached=6, uid=1000, changed=1769860799
        )
    ]


def test_signals_that_are_ignored_or_caught():
    status = "Name:\tx\nSigBlk:\t0000000000000001\nSigIgn:\t0000000001001000\nSigCgt:\t8000000000000002\n"
    assert procfs.parse_handled_signals(status) == [2, 13, 25, 64]


def test_environ_keeps_equal_signs_and_odd_bytes():
    found = procfs.parse_environ(b"A=1\0OPTIONS=-x=2\0EMPTY=\0ODD=\xff\0")
    assert found == {"A": "1", "OPTIONS": "-x=2", "EMPTY": "", "ODD": os.fsdecode(b"\xff")}


def test_this_process_is_found():
    assert os.getpid() in {process.pid for process in procfs.everyone()}
    assert os.getpid() in procfs.children(os.getppid())
    me = procfs.stat(os.getpid())
    assert me is not None
    assert me.parent == os.getppid()


def test_process_that_never_was_is_empty():
    nobody = 1 << 30
    assert procfs.stat(nobody) is None
    assert procfs.environ(nobody) == {}
    assert procfs.children(nobody) == set()
    assert procfs.used(nobody, "/") == set()
