"""Who connects, as far as it can be told without a connection."""

import os

from shakeout.links import roster
from shakeout.links.roster import STRANGER, Roster

PID_OF_NOBODY = 1 << 30
TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 100 1 0
   1: 0100007F:9C40 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 200 1 0
   2: 0100007F:1F90 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 300 1 0
"""


def test_inode_is_that_of_the_end_that_connected():
    assert roster.inode_in(TABLE, "0100007F:9C40 0100007F:1F90") == 200
    assert roster.inode_in(TABLE, "0100007F:9C41 0100007F:1F90") == 0


def test_descendant_of_a_member_belongs_to_it():
    known = Roster()
    known.started("agent", os.getppid())
    assert known.of_process(os.getpid()) == "agent"


def test_test_process_itself_is_a_stranger_and_others_are_not_known():
    known = Roster()
    known.stranger = os.getppid()
    assert known.of_process(os.getppid()) == STRANGER
    assert known.of_process(os.getpid()) == ""
    assert known.of_process(PID_OF_NOBODY) == ""


def test_roster_is_complete_when_nobody_starts():
    known = Roster()
    known.starting("agent")
    known.starting("manager")
    known.started("agent", 0)
    assert not known.complete
    known.started("manager", PID_OF_NOBODY)
    assert known.complete
