"""Lists the fixtures of the storage-proxy's component tests."""

from quarterdeck.testing.storage_fixtures import *
