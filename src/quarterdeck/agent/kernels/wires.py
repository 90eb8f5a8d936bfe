"""A virtual wire between two networks, made by rtnetlink, which needs no programs. Used by `inside`."""

import contextlib
import os
import socket
import struct
from collections.abc import Sequence
from ipaddress import IPv4Address

from quarterdeck.agent.kernels import linux

NAME = "peers"
INDEX = 77
"""Of each end, in its network."""
_PREFIX_BITS = 24

_NEW_LINK, _DELETE_LINK, _NEW_ADDRESS = 16, 17, 20
_REQUEST_ACKNOWLEDGED = 0x1 | 0x4
_CREATED_BY_US = 0x400 | 0x200
_UP = 1
_ATTRIBUTE_NAME, _ATTRIBUTE_INFO, _ATTRIBUTE_NETWORK = 3, 18, 28
_INFO_KIND, _INFO_DATA, _PEER = 1, 2, 1
_ADDRESS, _LOCAL = 1, 2
_ANSWER_BYTES_MAX = 65536
_LOOPBACK_INDEX = 1


def stretch(here: str, there: Sequence[str]) -> None:
    """Move this thread to a new network that has these addresses, and from which a wire leads to the network it was in, at address `here`.

    The new network lasts as long as something is in it; the wire goes with it. Raises OSError.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW) as near:
        with contextlib.suppress(
            OSError
        ):  # the wire of an agent that has died may not be gone yet
            _ask(near, _DELETE_LINK, _link(INDEX))
        linux.unshare(linux.CLONE_NEWNET)
        network = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _ask(near, _NEW_LINK, _wire(network), _CREATED_BY_US)
        finally:
            os.close(network)
        _give(near, [here])
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW) as far:
        _give(far, there)
        _ask(far, _NEW_LINK, _link(_LOOPBACK_INDEX, up=True))


def _give(link: socket.socket, addresses: Sequence[str]) -> None:
    for address in addresses:
        packed = IPv4Address(address).packed
        header = struct.pack("=BBBBI", socket.AF_INET, _PREFIX_BITS, 0, 0, INDEX)
        attributes = _attribute(_LOCAL, packed) + _attribute(_ADDRESS, packed)
        _ask(link, _NEW_ADDRESS, header + attributes, _CREATED_BY_US)
    _ask(link, _NEW_LINK, _link(INDEX, up=True))


def _wire(network: int) -> bytes:
    name = _attribute(_ATTRIBUTE_NAME, NAME.encode() + b"\0")
    peer = _link(INDEX) + name + _attribute(_ATTRIBUTE_NETWORK, struct.pack("=I", network))
    data = _attribute(_INFO_DATA, _attribute(_PEER, peer))
    info = _attribute(_ATTRIBUTE_INFO, _attribute(_INFO_KIND, b"veth\0") + data)
    return _link(INDEX) + name + info


def _link(index: int, *, up: bool = False) -> bytes:
    flags = _UP if up else 0
    return struct.pack("=BxHiII", socket.AF_UNSPEC, 0, index, flags, flags)


def _attribute(kind: int, data: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


def _ask(link: socket.socket, kind: int, body: bytes, flags: int = 0) -> None:
    """Send a message and wait for its acknowledgement. Raises OSError."""
    header = struct.pack("=IHHII", 16 + len(body), kind, _REQUEST_ACKNOWLEDGED | flags, 1, 0)
    link.send(header + body)
    answer = link.recv(_ANSWER_BYTES_MAX)
    (code,) = struct.unpack_from("=i", answer, 16)
    if code != 0:
        raise OSError(-code, os.strerror(-code), "rtnetlink")
