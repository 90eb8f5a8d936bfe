"""What a registry has, as images: names, minimums and runtimes from labels, what to do with tags. Pure and frozen."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from quarterdeck.wire import images, oci
from quarterdeck.wire.errors import Invalid

CPU_LABEL = "quarterdeck.min.cpu"
MEMORY_LABEL = "quarterdeck.min.memory-mib"
RUNTIME_LABEL = "quarterdeck.runtime"
RUNTIMES = ("python", "shell", "command")
RUNTIME_DEFAULT = "command"
CPU_MIN_MAX = 1024
MEMORY_MIB_MIN_MAX = 16 * 1024 * 1024
LABELS_BYTES_MAX = 64 * 1024
NAME_CHARACTERS_MAX = 255
_ARCHITECTURE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
PROBLEMS_MAX = 100
"""Of one repository that are told; the rest is a number."""


@dataclass(frozen=True, slots=True)
class Registry:
    """A registry as it is looked at."""

    id: str
    name: str
    url: str
    username: str
    secret: str | None
    repositories: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tagged:
    """An image that a tag names: `digest` is that of the manifest or index."""

    tag: str
    digest: str
    variants: tuple[images.ImageVariant, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found in a repository: all its tags, those that could be read, and why the others could not."""

    repository: str
    tags: frozenset[str]
    images: tuple[Tagged, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Claim:
    """A rescan that this manager does."""

    rescan: str
    registry: Registry


def image_name(registry: str, repository: str, tag: str) -> str:
    """Return what users call an image."""
    return f"{registry}/{repository}:{tag}"


def wanted_manifests(index: oci.Index) -> tuple[oci.Descriptor, ...]:
    """Return the images of an index, the first of each architecture: for Linux, and no attestations."""
    found: dict[str, oci.Descriptor] = {}
    for one in index.manifests:
        platform = one.platform
        if platform is None or one.media_type not in oci.MANIFEST_TYPES:
            continue
        if platform.os == "linux" and platform.architecture != oci.UNKNOWN:
            found.setdefault(platform.architecture, one)
    return tuple(found.values())


def variant(digest: str, manifest: oci.Manifest, config: oci.ImageConfig) -> images.ImageVariant:
    """Return what an image is for one architecture. Raises `Invalid` for labels or a system that cannot be served."""
    if config.os != "linux":
        raise Invalid("os", f"it is for {config.os[:40]!r}, not for Linux")
    if not _ARCHITECTURE.fullmatch(config.architecture):
        raise Invalid("architecture", f"{config.architecture[:40]!r} is no architecture")
    labels = config.labels
    if sum(len(name) + len(text) for name, text in labels.items()) > LABELS_BYTES_MAX:
        raise Invalid("labels", f"its labels have more than {LABELS_BYTES_MAX} characters")
    runtime = labels.get(RUNTIME_LABEL, RUNTIME_DEFAULT)
    if runtime not in RUNTIMES:
        raise Invalid(RUNTIME_LABEL, f"{runtime[:40]!r} is none of {', '.join(RUNTIMES)}")
    return images.ImageVariant(
        architecture=config.architecture,
        digest=digest,
        size_bytes=manifest.size,
        runtime=runtime,
        cpu_min=_number(labels, CPU_LABEL, CPU_MIN_MAX),
        memory_mib_min=_number(labels, MEMORY_LABEL, MEMORY_MIB_MIN_MAX),
        labels={name: text for name, text in labels.items() if "\x00" not in name + text},
    )


def by_architecture(
    variants: Sequence[images.ImageVariant],
) -> tuple[images.ImageVariant, ...]:
    """Return the first variant of each architecture: what a configuration says counts, not what an index says of it."""
    found: dict[str, images.ImageVariant] = {}
    for one in variants:
        found.setdefault(one.architecture, one)
    return tuple(found[name] for name in sorted(found))


def minimums(variants: Iterable[images.ImageVariant]) -> tuple[int, int]:
    """Return the cores and MiB that suffice for every architecture."""
    found = [(one.cpu_min, one.memory_mib_min) for one in variants]
    return max(cpu for cpu, _ in found), max(memory for _, memory in found)


def told(seen: Seen) -> Seen:
    """Return what was found with no more problems than are told."""
    if len(seen.problems) <= PROBLEMS_MAX:
        return seen
    more = len(seen.problems) - PROBLEMS_MAX
    return replace(seen, problems=(*seen.problems[:PROBLEMS_MAX], f"and {more} more"))


def printable(text: str) -> str:
    """Return text that may be told and stored, whatever a registry has put into it."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def nameable_repositories(names: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Split names into those of repositories, and the problems of the others by what is told of the name."""
    fine, problems = [], {}
    for name in names:
        if oci.is_repository(name):
            fine.append(name)
        else:
            problems[printable(name[:200])] = "it is no name of a repository"
    return fine, problems


def nameable(registry: str, repository: str, tags: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split tags into those that make a name that can be said, and the problems of the others."""
    fine, problems = [], []
    for tag in tags:
        if not oci.is_tag(tag):
            problems.append(f"{printable(tag[:40])}: it is no tag")
        elif len(image_name(registry, repository, tag)) > NAME_CHARACTERS_MAX:
            problems.append(f"{tag[:40]}…: its name would be too long")
        else:
            fine.append(tag)
    return fine, problems


def _number(labels: Mapping[str, str], name: str, most: int) -> int:
    """Return a minimum from a label; 1 without one. Raises `Invalid`."""
    text = labels.get(name, "1")
    if not (text.isascii() and text.isdecimal() and len(text) <= 12):
        raise Invalid(name, f"{text[:40]!r} is no whole number")
    if not 1 <= int(text) <= most:
        raise Invalid(name, f"{text} is not in 1..{most}")
    return int(text)
