"""The names of what a user has, for `completing`. Who has typed half a word waits for no platform, and reads no complaint."""

import contextlib
from collections.abc import Mapping
from typing import Any

from quarterdeck.base import config
from quarterdeck.base.clock import SystemClock
from quarterdeck.base.errors import QuarterdeckError
from quarterdeck.cli import access
from quarterdeck.client import api, api_folders, procedures
from quarterdeck.client.request import Request
from quarterdeck.client.transport import Transport

SECONDS_MAX = 2.0
_OF_TRASH = frozenset({"folder-restore", "folder-purge"})
_REQUESTS: Mapping[str, Request] = {
    "SESSION": api.list_sessions(),
    "FOLDER": api_folders.list_folders(),
    "IMAGE": api.list_images(),
    "AGENT": api.list_agents(),
    "REGISTRY": api.list_registries(),
    "USER": api.list_users(),
    "INVITATION": api_folders.list_invitations(),
    "HOST": api_folders.list_hosts(),
}


def names(kind: str, command: str) -> list[tuple[str, str]]:
    """Return names of a kind of thing with what is to say of each; none if the platform does not give them soon."""
    wanted = _REQUESTS[kind]
    if kind == "FOLDER" and command in _OF_TRASH:
        wanted = api_folders.list_folders(trash=True)
    clock = SystemClock()
    try:
        transport = Transport(access.credentials(config.environment()), clock)
        with contextlib.closing(transport), transport.within(SECONDS_MAX, "no names"):
            return [_name(kind, item) for item in transport.call(wanted)["items"]]
    except QuarterdeckError:
        return []


def _name(kind: str, item: Mapping[str, Any]) -> tuple[str, str]:
    if kind == "SESSION":
        about = f"{item['status']} {item['image']}"
        return item["name"] or item["id"][-procedures.SHORT_ID :], about
    if kind == "FOLDER":
        own = item["permission"] == "own"
        return item["name"] if own else f"{item['owner_name']}/{item['name']}", item["status"]
    if kind == "INVITATION":
        return f"{item['owner']}/{item['folder_name']}", item["status"]
    return item["id" if kind == "AGENT" else "name"], ""
