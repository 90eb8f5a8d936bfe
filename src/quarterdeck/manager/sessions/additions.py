"""New sessions on their way into PostgreSQL: the row that is added, and what is known of it afterwards without another look."""

from typing import Any

import msgspec

from quarterdeck.manager import statements
from quarterdeck.manager.sessions import model
from quarterdeck.manager.sessions.books import CLAIM_SECONDS
from quarterdeck.wire import agents, sessions


def columns(new: model.NewSession, manager: str) -> statements.Row:
    """Return what `create_session` is given."""
    given = new.given
    row: dict[str, Any] = {
        "id": new.id,
        "owner_id": new.owner,
        "name": given.name,
        "image": given.image,
        "cpu": given.slots.cpu,
        "memory_mib": given.slots.memory_mib,
        "cluster_size": given.cluster_size,
        "limits": given.limits,
        "ports": given.ports,
        "isolation": given.isolation,
        "environment": given.environment,
        "type": given.type,
        "command": given.command,
        "depends_on": given.depends_on,
        "batch_seconds": given.batch_seconds,
        "lifetime_seconds": given.lifetime_seconds,
        "idle_seconds": given.idle_seconds,
    }
    return {
        "new": msgspec.json.encode(row).decode(),
        "kernel": new.kernel,
        "manager": manager,
        "seconds": CLAIM_SECONDS,
    }


def inserted(new: model.NewSession, row: statements.Row) -> model.Inserted:
    """Return a session as it was added."""
    if row["agent"] is None or new.kernel is None:
        return model.Inserted(_view(new, row))
    begun = model.Work(
        session=new.id,
        status=sessions.KernelStatus.CREATING,
        kernel=new.kernel,
        agent=row["agent"],
        address=row["address"],
        status_seconds=0.0,
        request=_request(new),
        type=new.given.type,
        flushed=False,
    )
    return model.Inserted(_view(new, row, _kernel(begun)), begun)


def _request(new: model.NewSession) -> agents.KernelCreate:
    """Return the request for the one kernel of a session without mounts whose image each agent has."""
    given = new.given
    seat = model.Seat(sessions.KernelRole.MAIN, 1, 1)
    return agents.KernelCreate(
        session=new.id,
        image=given.image,
        slots=given.slots,
        limits=given.limits,
        isolation=given.isolation,
        environment={**given.environment, **seat.environment()},
        command=given.command,
    )


def _kernel(begun: model.Work) -> sessions.SessionKernel:
    return sessions.SessionKernel(
        id=begun.kernel,
        role=sessions.KernelRole.MAIN,
        index=1,
        hostname=model.MAIN_HOSTNAME,
        agent=begun.agent,
        status=begun.status,
    )


def _view(
    new: model.NewSession, row: statements.Row, *kernels: sessions.SessionKernel
) -> sessions.SessionView:
    given = new.given
    return sessions.SessionView(
        id=new.id,
        name=given.name,
        owner=new.owner,
        image=given.image,
        status=sessions.SessionStatus(row["status"]),
        slots=given.slots,
        created_at=row["created_at"],
        agent=row["agent"],
        kernels=kernels,
        image_digest=row["image_digest"],
        mounts=tuple(sorted(given.mounts, key=lambda mount: mount.path)),
        type=given.type,
        command=given.command,
        depends_on=given.depends_on,
        cluster_size=given.cluster_size,
        limits=given.limits,
        ports=given.ports,
        batch_seconds=given.batch_seconds,
        lifetime_seconds=given.lifetime_seconds,
        idle_seconds=given.idle_seconds,
    )
