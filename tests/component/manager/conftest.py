"""Lists the fixtures of the manager's component tests."""

from quarterdeck.testing.manager_fixtures import *
