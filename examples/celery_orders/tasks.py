"""The application, as Celery users write it: one task that books an order, at least once delivered, exactly once booked."""

import os

import celery
import psycopg

app = celery.Celery("orders", broker=os.environ["BROKER"])
# What a dead worker had comes back after a second; all workers look for it every second. The defaults: an hour, 100 s.
app.conf.broker_transport_options = {
    "visibility_timeout": 1,
    "unacked_restore_interval": 1,
    "unacked_restore_throttle": 1,
}
app.conf.broker_connection_retry_on_startup = True
app.conf.worker_prefetch_multiplier = 1
PATIENCE = "-c idle_in_transaction_session_timeout=500"  # ms: a frozen worker must not keep a lock
AGAIN = (psycopg.OperationalError, psycopg.errors.IdleInTransactionSessionTimeout)


def take(number, item):
    """Take one item out of the stock for an order. A second delivery of the same order changes nothing."""
    worker = os.environ["WORKER"]
    with psycopg.connect(
        os.environ["DATABASE"], application_name=worker, options=PATIENCE
    ) as connection:
        done = connection.execute(
            "INSERT INTO orders VALUES (%s, %s, %s) ON CONFLICT DO NOTHING", (number, item, worker)
        )
        if done.rowcount:
            connection.execute(
                "UPDATE stock SET left_over = left_over - 1 WHERE item = %s", (item,)
            )


RETRY = {"autoretry_for": AGAIN, "retry_kwargs": {"countdown": 0.1, "max_retries": 100}}
book = app.task(name="tasks.book", acks_late=True, **RETRY)(take)
book_early = app.task(name="tasks.book_early", **RETRY)(
    take
)  # acknowledges before it works: the default
