"""Answers with a directory as one archive, of a length that nobody knows before."""

from collections.abc import Sequence

from aiohttp import web

from quarterdeck.storage_proxy.model import TreePath
from quarterdeck.storage_proxy.transfers import archives
from quarterdeck.wire.folders import FileEntry
from quarterdeck.wire.transfers import ArchiveFormat

_TYPES = {ArchiveFormat.TAR: "application/x-tar", ArchiveFormat.ZIP: "application/zip"}


async def send(
    request: web.Request,
    form: ArchiveFormat,
    found: tuple[TreePath, Sequence[FileEntry]],
    opener: archives.Opener,
) -> web.StreamResponse:
    """Answer with an archive of a directory's entries. What goes wrong on the way breaks the connection: half an archive never looks whole."""
    base, entries = found
    name = base[-1] if base and name_is_plain(base[-1]) else "files"
    response = web.StreamResponse(
        headers={
            "Content-Type": _TYPES[form],
            "Content-Disposition": f'attachment; filename="{name}.{form}"',
            "X-Content-Type-Options": "nosniff",
        }
    )
    response.enable_chunked_encoding()
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    async for block in archives.stream(form, base, entries, opener):
        await response.write(block)
    await response.write_eof()
    return response


def name_is_plain(name: str) -> bool:
    """Tell whether a name can stand in a header as it is."""
    return name.isascii() and name.isprintable() and not set(name) & set('"\\;')
