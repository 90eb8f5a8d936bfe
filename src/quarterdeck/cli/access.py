"""Where the platform is and who asks it, as the environment says."""

from quarterdeck.base import config
from quarterdeck.client.request import Credentials


def credentials(environment: config.Environment) -> Credentials:
    """Return them. Raises `ConfigInvalid` for what is not set or cannot be used."""
    return Credentials(
        environment.text("QD_URL"),
        environment.text("QD_ACCESS_KEY"),
        environment.secret("QD_SECRET_KEY").reveal(),
    )
