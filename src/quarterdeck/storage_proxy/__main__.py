"""Starts a storage-proxy: `python -m quarterdeck.storage_proxy`. On asyncio's own loop, which has sendfile."""

import sys

from quarterdeck.base import lifecycle
from quarterdeck.storage_proxy import app, config


def main() -> int:
    """Run until SIGTERM and return the exit code."""
    return lifecycle.run("storage-proxy", config.load, app.run)


if __name__ == "__main__":
    sys.exit(main())
