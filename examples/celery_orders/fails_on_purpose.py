"""Orders with Celery's default, loses one, and fails: see the README for how to read its report."""

from shakeout.faults.lifecycle import injected
from shakeout.faults.process import Kill


async def test_order_survives_the_death_of_its_worker(customer, private_cluster):
    with customer.stock_locked() as unlock:
        customer.order(1, task="book_early")
        [worker] = await customer.busy_workers()
        async with injected(Kill(worker), private_cluster):
            unlock()
            await customer.has(1, within=4)
