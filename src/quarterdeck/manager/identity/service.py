"""Users, their key pairs, and who signed a request. Administrators manage users; everybody sees themselves."""

from collections.abc import Sequence

from quarterdeck.base import ids
from quarterdeck.base.clock import Clock
from quarterdeck.base.config import Secret
from quarterdeck.manager.identity import errors, model, ports
from quarterdeck.manager.identity.cache import Cache
from quarterdeck.wire import signing, users


class Identity:
    """The use cases of users."""

    def __init__(
        self,
        store: ports.Users,
        trees: ports.TreeRemoval,
        cache: Cache,
        *,
        clock: Clock,
        master_key: Secret,
    ) -> None:
        self._store = store
        self._trees = trees
        self._cache = cache
        self._clock = clock
        self._master_key = master_key

    async def authenticate(
        self, claim: signing.Claim, message: signing.Message
    ) -> model.Principal:
        """Return who signed a request. Raises `DateSkewed`, `SignatureMismatch`, `KeyInactive`.

        The signature is checked first, without a query: only the owner of a key learns whether it is active.
        """
        secret = self._secret(claim.access_key)
        signing.verify(claim, message, secret, self._clock.now())
        known = self._cache.get(claim.access_key)
        if known is not None:
            return known
        epoch = self._cache.epoch
        principal = await self._store.principal(claim.access_key)
        if principal is None:
            raise errors.KeyInactive(field="Authorization")
        self._cache.keep(claim.access_key, principal, epoch=epoch)
        return principal

    async def ensure_admin(self, access_key: str) -> None:
        """Make sure that the configured administrator's key pair is active."""
        await self._store.ensure_admin(ids.new(self._clock), access_key)

    async def create(self, by: model.Principal, given: users.UserCreate) -> users.UserCreated:
        """Add a user; the answer is the only place that ever shows the secret key. Raises `Forbidden`, `UserNameTaken`."""
        _require_admin(by)
        access_key = ids.access_key()
        view = await self._store.insert(ids.new(self._clock), given, access_key)
        return users.UserCreated(view, users.KeyPair(access_key, self._secret(access_key)))

    async def list(self, by: model.Principal) -> Sequence[users.UserView]:
        """Return all users. Raises `Forbidden`."""
        _require_admin(by)
        return await self._store.list()

    async def me(self, by: model.Principal) -> users.UserView:
        """Return the user who asks. Raises `UserNotFound` when deleted meanwhile."""
        view = await self._store.view(by.user)
        if view is None:
            raise errors.UserNotFound
        return view

    async def delete(self, by: model.Principal, user: str) -> None:
        """Delete a user with keys and folders; the files go soon after. Raises `Forbidden`, `UserNotFound`, `UserBusy` while sessions of the user live, or others mount their folders."""
        _require_admin(by)
        if user == by.user:
            raise errors.Forbidden("Nobody deletes themselves")
        if not await self._store.delete(user):
            raise errors.UserNotFound
        self._cache.forget_all()
        self._trees.soon()

    def _secret(self, access_key: str) -> str:
        return signing.derive_secret(self._master_key.reveal(), access_key)


def _require_admin(by: model.Principal) -> None:
    if not by.is_admin:
        raise errors.Forbidden
