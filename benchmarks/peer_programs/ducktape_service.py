"""ducktape's service of three trivial servers: seconds from its start until all of them serve, and until they are gone.

Its nodes run commands by SSH; here an account runs them directly, which is faster, and needs no SSH server. Prints one JSON
object. The clock starts after the imports.
"""

import json
import logging
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from types import SimpleNamespace

from ducktape.cluster.cluster import Cluster, ClusterNode
from ducktape.cluster.linux_remoteaccount import LinuxRemoteAccount
from ducktape.cluster.node_container import NodeContainer
from ducktape.cluster.remoteaccount import RemoteAccountSSHConfig
from ducktape.services.service import Service
from ducktape.services.service_registry import ServiceRegistry
from ducktape.utils.util import wait_until

NODES = 3
SECONDS_MAX = 30


class Account(LinuxRemoteAccount):
    """Runs on this machine what it is told."""

    def ssh(self, cmd, allow_fail=False):
        return subprocess.run(cmd, shell=True, check=not allow_fail).returncode

    def close(self):
        return


class Local(Cluster):
    def __init__(self):
        super().__init__()
        self._free = NodeContainer()
        for number in range(NODES):
            config = RemoteAccountSSHConfig(f"node{number}", hostname="localhost", port=22)
            self._free.add_node(ClusterNode(Account(config)))

    def do_alloc(self, cluster_spec):
        return self._free.remove_spec(cluster_spec)[0]

    def free_single(self, node):
        self._free.add_node(node)

    def available(self):
        return self._free

    def used(self):
        return NodeContainer()


class Servers(Service):
    def __init__(self, context, directory):
        super().__init__(context, num_nodes=NODES)
        self._directory = directory
        self.ports = {id(node): free_port() for node in self.nodes}

    def start_node(self, node, **_):
        port = self.ports[id(node)]
        node.account.ssh(
            f"cd {self._directory} && {sys.executable} -m http.server {port} --bind 127.0.0.1 "
            f">{port}.log 2>&1 & echo $! >{self._directory}/{port}.pid"
        )
        wait_until(lambda: serves(port), timeout_sec=SECONDS_MAX, backoff_sec=0.1)

    def stop_node(self, node, **_):
        port = self.ports[id(node)]
        node.account.ssh(f"kill $(cat {self._directory}/{port}.pid)", allow_fail=True)
        wait_until(lambda: not serves(port), timeout_sec=SECONDS_MAX, backoff_sec=0.1)

    def clean_node(self, node, **_):
        return


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        service = Servers(context(directory), directory)
        began = time.perf_counter()
        service.start()
        up = time.perf_counter()
        service.stop()
        down = time.perf_counter()
    sys.stdout.write(json.dumps({"up_s": [up - began], "down_s": [down - up]}))


def context(directory):
    return SimpleNamespace(
        cluster=Local(),
        services=ServiceRegistry(),
        logger=logging.getLogger("quiet"),
        session_context=SimpleNamespace(),
        local_scratch_dir=directory,
        globals={},
    )


def serves(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


main()
