"""The secrets of a system under test: all from one seed, fresh for every process that describes a system."""

import hashlib
import hmac
from dataclasses import dataclass

from quarterdeck.wire import signing


@dataclass(frozen=True)
class Keys:
    """Secrets by purpose. Equal seeds give equal secrets."""

    seed: str

    @property
    def master(self) -> str:
        """From which the manager derives the secrets of users."""
        return self._secret("master")

    @property
    def agent(self) -> str:
        """By which the manager signs its calls to agents."""
        return self._secret("agent")

    @property
    def storage(self) -> str:
        """By which the manager shows itself to storage-proxies."""
        return self._secret("storage")

    @property
    def token(self) -> str:
        """By which the manager signs tokens for storage-proxies."""
        return self._secret("token")

    @property
    def admin_access_key(self) -> str:
        """The administrator's access key."""
        return "QDAK" + self._secret("admin")[:20].upper()

    @property
    def admin_secret_key(self) -> str:
        """The administrator's secret key."""
        return signing.derive_secret(self.master, self.admin_access_key)

    def _secret(self, purpose: str) -> str:
        return hmac.new(self.seed.encode(), purpose.encode(), hashlib.sha256).hexdigest()
