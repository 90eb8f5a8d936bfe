"""Lists the fixtures of the agent's component tests."""

from quarterdeck.testing.agent_fixtures import *
