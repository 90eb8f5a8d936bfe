"""Lists the fixtures and options of the storage-proxy's component tests."""

from quarterdeck.testing.storage_fixtures import *
from quarterdeck.testing.volume_options import *
