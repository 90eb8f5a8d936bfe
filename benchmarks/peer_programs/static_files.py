"""aiohttp as most people serve files with it: `static_files.py DIRECTORY`. GET by its FileResponse, PUT into a file, DELETE; prints its port."""

import asyncio
import sys
from pathlib import Path

from aiohttp import web


async def put(request: web.Request) -> web.Response:
    """Write a body to a file."""
    with (request.app["root"] / request.match_info["name"]).open("wb") as file:
        async for block in request.content.iter_any():
            file.write(block)
    return web.Response(status=201)


async def get(request: web.Request) -> web.FileResponse:  # noqa: RUF029 - a handler
    """Send a file."""
    return web.FileResponse(request.app["root"] / request.match_info["name"])


async def delete(request: web.Request) -> web.Response:  # noqa: RUF029 - a handler
    """Remove a file."""
    (request.app["root"] / request.match_info["name"]).unlink()
    return web.Response(status=204)


async def main() -> None:
    """Serve until standard input ends."""
    app = web.Application(client_max_size=2**40)
    app["root"] = Path(sys.argv[1])
    app.add_routes(
        [web.put("/{name}", put), web.get("/{name}", get), web.delete("/{name}", delete)]
    )
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(site._server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


asyncio.run(main())
