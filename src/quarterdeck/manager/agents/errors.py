"""What can be wrong with an agent.

QuarterdeckError
├── AgentNotFound    no agent of this id was ever seen
└── RegistryForgot   nobody knows who is registered
"""

from quarterdeck.base.errors import QuarterdeckError


class AgentNotFound(QuarterdeckError):
    """There is no such agent."""

    code = "agent-not-found"


class RegistryForgot(QuarterdeckError):
    """etcd has lost the registrations of before: who is missing may be about to register anew."""

    code = "unavailable"
