"""What becomes of orders when something breaks: each one must be booked, and booked once."""

import pytest

from shakeout.faults.lifecycle import injected
from shakeout.faults.process import Kill, Pause, Restart


async def test_orders_are_booked(customer):
    for number in range(1, 6):
        customer.order(number)
    await customer.has(1, 2, 3, 4, 5)


async def test_order_survives_the_death_of_its_worker(customer, private_cluster):
    with customer.stock_locked() as unlock:
        customer.order(1)
        [worker] = await customer.busy_workers()
        async with injected(Kill(worker), private_cluster):
            unlock()
            await customer.has(1)


async def test_order_survives_a_restart_of_the_database(customer, private_cluster):
    with customer.stock_locked():
        customer.order(1)
        await customer.busy_workers()
        async with injected(Restart("postgres"), private_cluster):
            customer.order(2)
    await customer.has(1, 2)


@pytest.mark.allows_log("idle-in-transaction timeout", component="postgres")
async def test_frozen_worker_holds_up_nobody_else_and_loses_nothing(customer, private_cluster):
    with customer.stock_locked() as unlock:
        customer.order(1)
        [worker] = await customer.busy_workers()
        async with injected(Pause(worker), private_cluster):
            unlock()
            customer.order(2)
            await customer.has(2)
    await customer.has(1, 2)


@pytest.mark.allows_log("Cannot connect to redis")
@pytest.mark.allows_log(
    r"Couldn't ack|Connection\w*Error|BrokenPipeError",
    component="worker",
    reason="its task ended just before it saw the loss; the order comes again, and changes nothing",
)
async def test_queued_orders_survive_the_death_of_redis(customer, private_cluster):
    with customer.stock_locked() as unlock:
        for number in (1, 2, 3):
            customer.order(number)
        await customer.busy_workers(2)
        async with injected(Kill("redis"), private_cluster):
            unlock()
    await customer.has(1, 2, 3)
