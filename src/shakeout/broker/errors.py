"""Why a cluster does not come from the broker; whoever asked for one boots it itself then.

NoLease
├── NotLeasable          this system cannot be booted by another process; others can
└── BrokerUnavailable    no broker can be had at all
"""


class NoLease(Exception):
    """There is no cluster to lease; the text says why."""


class NotLeasable(NoLease):
    """This system cannot be booted by another process."""


class BrokerUnavailable(NoLease):
    """No broker answers, and none could be started."""
