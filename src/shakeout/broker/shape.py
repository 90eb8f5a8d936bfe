"""`Shape`: which cluster is wanted, in words that two processes understand. Pure, but for the look at loaded modules."""

import importlib.util
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from shakeout.broker.errors import NotLeasable
from shakeout.system.model import System


@dataclass(frozen=True)
class Shape:
    """A system by its `module:attribute`, and how much of it. Clusters of equal shapes serve each other's users."""

    system: str
    replicas: tuple[tuple[str, int], ...] = field(default=())
    durable: bool = False

    @classmethod
    def of(cls, system: System, replicas: Mapping[str, int], *, durable: bool) -> Self:
        """Raises NotLeasable when no module holds the system."""
        return cls(reference(system), tuple(sorted(replicas.items())), durable)

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> Self:
        """Of what `message` made."""
        replicas = tuple(sorted(message["replicas"].items()))
        return cls(str(message["system"]), replicas, bool(message["durable"]))

    def message(self) -> dict[str, Any]:
        """As it crosses the socket."""
        return {"system": self.system, "replicas": dict(self.replicas), "durable": self.durable}

    @property
    def module(self) -> str:
        """Module that holds the system."""
        return self.system.partition(":")[0]


def reference(system: System) -> str:
    """`module:attribute` by which another process can import this very system. Raises NotLeasable."""
    found = min(_holders(system), key=len, default="")
    if not found:
        raise NotLeasable(
            f"system {system.name!r} is an attribute of no module that could be imported elsewhere"
        )
    return found


def _holders(system: System) -> Iterator[str]:
    for name, module in list(sys.modules.items()):
        for attribute, value in list(getattr(module, "__dict__", {}).items()):
            if value is system and _is_importable(name):
                yield f"{name}:{attribute}"


def _is_importable(module: str) -> bool:
    """Test modules and conftest.py are loaded by pytest, from where they lie."""
    last = module.rpartition(".")[2]
    if last in ("__main__", "conftest") or last.startswith("test_"):
        return False
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False
