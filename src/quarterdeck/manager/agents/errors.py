"""What can be wrong with an agent.

QuarterdeckError
└── AgentNotFound   no agent of this id was ever seen
"""

from quarterdeck.base.errors import QuarterdeckError


class AgentNotFound(QuarterdeckError):
    """There is no such agent."""

    code = "agent-not-found"
