"""Quarterdeck with storage-proxies that all serve one local volume, as on a host with several, or with a shared file system."""

import dataclasses
import json
from collections.abc import Mapping

from quarterdeck.testing import system as whole
from quarterdeck.testing.layout import LOCAL_HOST, TREES_DIRECTORY
from shakeout.system.model import Component, System
from shakeout.system.place import Place


def _shared(given: System) -> System:
    """Return the system with storage-proxies that all serve the same local volume: that of the first."""

    def environment(place: Place) -> Mapping[str, str]:
        found = next(one for one in given.components if one.name == place.kind).environment(place)
        volumes = json.loads(found["QD_VOLUMES"])
        own = place.directory / TREES_DIRECTORY
        shared = place.directory.parent / f"{place.kind}-1" / TREES_DIRECTORY
        volumes[LOCAL_HOST]["path"] = str(own if place.name == place.kind else shared)
        return {**found, "QD_VOLUMES": json.dumps(volumes)}

    def component(one: Component) -> Component:
        if one.name != "storage-proxy":
            return one
        return dataclasses.replace(one, environment=environment, disk="")

    return dataclasses.replace(
        given,
        name=f"{given.name}-shared-trees",
        components=tuple(component(one) for one in given.components),
    )


system = _shared(whole.system)
