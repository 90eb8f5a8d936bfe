"""Lists the fixtures of the integration tests."""

from quarterdeck.testing.fixtures import *
from quarterdeck.testing.options import *
