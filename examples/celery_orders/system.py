"""The system as Shakeout sees it: two servers, two Celery workers, and Flower as the way in."""

from shakeout.services.postgres import Postgres
from shakeout.services.postgres_data import Database
from shakeout.services.redis import Redis
from shakeout.system.model import Component, HttpReady, System

CELERY = (
    "celery.__main__:main"  # forked from a process that has imported it; as argv it works, too
)
WORKER = "worker --pool threads --concurrency 1 --loglevel info --without-mingle --without-gossip"
DATABASE = Database("orders", prepare="schema:create_tables", key="1")


def environment(place):
    return {
        "BROKER": place.address("redis").replace("unix:", "redis+socket:"),
        "DATABASE": place.address("postgres"),
        "WORKER": place.name,
    }


def flower_environment(place):
    return {
        **environment(place),
        "FLOWER_PORT": str(place.port("http")),
        "FLOWER_ADDRESS": "127.0.0.1",
        "FLOWER_UNAUTHENTICATED_API": "true",
    }


system = System(
    "orders",
    preload=("celery.bin.worker", "flower.command", "kombu.transport.redis", "psycopg"),
    services=(Postgres(databases=(DATABASE,)), Redis()),
    components=(
        Component(
            "worker",
            call=CELERY,
            args=("--app", "tasks", *WORKER.split()),
            environment=environment,
            edges=("postgres", "redis"),
            replicas=2,
        ),
        Component(
            "flower",
            call=CELERY,
            args=("--app", "tasks", "flower"),
            environment=flower_environment,
            edges=("postgres", "redis"),
            ports=("http",),
            ready=HttpReady("http", "/healthcheck"),
        ),
    ),
)
