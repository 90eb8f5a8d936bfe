"""`python -m benchmarks.echo`: servers for `link_overhead`, each as short as it can be.

echo PORT PATH           sends back what comes, on a loopback port and on a Unix socket
relay FROM TO            the peer: a relay of plain asyncio streams, between ports or between Unix sockets
"""

import asyncio
import socket
import sys
import threading

READ_BYTES_MAX = 65536


def main() -> None:
    """Serve until killed."""
    what, *where = sys.argv[1:]
    if what == "echo":
        for listening in (socket.create_server(("127.0.0.1", int(where[0]))), _unix(where[1])):
            threading.Thread(target=_serve, args=(listening,)).start()
    else:
        asyncio.run(_relay(*where))


def _unix(path: str) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.bind(path)
    made.listen()
    return made


def _serve(listening: socket.socket) -> None:
    while True:
        end, _ = listening.accept()
        threading.Thread(target=_mirror, args=(end,)).start()


def _mirror(end: socket.socket) -> None:
    if end.family == socket.AF_INET:
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with end:
        while data := end.recv(READ_BYTES_MAX):
            end.sendall(data)


async def _relay(place: str, target: str) -> None:
    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(READ_BYTES_MAX):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if target.startswith("/"):
            ahead, back = await asyncio.open_unix_connection(target)
        else:
            ahead, back = await asyncio.open_connection("127.0.0.1", int(target))
        async with asyncio.TaskGroup() as group:
            group.create_task(pump(reader, back))
            group.create_task(pump(ahead, writer))

    if place.startswith("/"):
        server = await asyncio.start_unix_server(join, place)
    else:
        server = await asyncio.start_server(join, "127.0.0.1", int(place))
    await server.serve_forever()


if __name__ == "__main__":
    main()
