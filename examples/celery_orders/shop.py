"""What the tests do and see: orders sent through Flower's API, rows read from PostgreSQL. Nothing here trusts Celery."""

import contextlib
import json
import urllib.request

import psycopg

from shakeout.waiting.until import until

WAITING = "SELECT application_name FROM pg_stat_activity WHERE wait_event_type = 'Lock'"


class Customer:
    """Somebody who orders tea, and can look into the books."""

    def __init__(self, cluster):
        self.cluster = cluster

    def order(self, number, task="book"):
        """Send one order; returns when it is in the queue."""
        url = f"{self.cluster.address('flower')}/api/task/send-task/tasks.{task}"
        body = json.dumps({"args": [number, "tea"]}).encode()
        urllib.request.urlopen(urllib.request.Request(url, body), timeout=10).close()

    def ask(self, query):
        """Rows of the database."""
        with psycopg.connect(self.cluster.address("postgres")) as connection:
            return connection.execute(query).fetchall()

    def booked(self):
        """Numbers of the booked orders; the stock must agree with them."""
        ((numbers, left_over),) = self.ask(
            "SELECT array(SELECT number FROM orders ORDER BY number), left_over FROM stock"
        )
        assert left_over == 100 - len(numbers), "an order was taken out of the stock twice"
        return numbers

    async def has(self, *numbers, within=20):
        """Wait until exactly these orders are booked, at most so many seconds."""
        await until(
            self.booked,
            within=within,
            describe=f"orders {numbers} to be booked",
            satisfied=lambda found: found == list(numbers),
            retry_on=(psycopg.OperationalError,),
        )

    @contextlib.contextmanager
    def stock_locked(self):
        """A worker that books stands still in the middle of its task, until the end or a call of what this gives."""
        with contextlib.closing(psycopg.connect(self.cluster.address("postgres"))) as connection:
            connection.execute("SELECT * FROM stock FOR UPDATE")
            yield connection.close

    async def busy_workers(self, count=1):
        """Wait until so many workers are in the middle of a task; returns their names."""
        return await until(
            lambda: sorted(name for (name,) in self.ask(WAITING)),
            within=20,
            describe=f"{count} workers in the middle of a task",
            satisfied=lambda names: len(names) == count,
        )
