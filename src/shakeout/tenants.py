"""A test's own place in a shared cluster: users, keys and quotas that nobody else has.

A system names a function in `System.tenant` ("module:function"). It is called with the cluster and
a name that no other test has, and returns an async context manager; the fixture `tenant` is what
entering that gives.
"""

import hashlib
import importlib
import itertools
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from shakeout.system.cluster import Cluster

Factory = Callable[[Cluster, str], AbstractAsyncContextManager[Any]]

NAME_DIGITS = 8
_numbers = itertools.count(1)


class TenantUndeclared(Exception):
    """The system does not say how to make a tenant."""


def factory(reference: str) -> Factory:
    """The function named as "module:function". Raises TenantUndeclared."""
    module, _, name = reference.partition(":")
    if not name:
        raise TenantUndeclared(f"System.tenant is {reference!r}, not 'module:function'")
    found: Factory = getattr(importlib.import_module(module), name)
    return found


def name(seed: int, nodeid: str) -> str:
    """A short name for this run of this test, the same in a rerun with the same seed."""
    text = f"{seed} {nodeid} {next(_numbers)}"
    return "t" + hashlib.blake2b(text.encode()).hexdigest()[:NAME_DIGITS]
