"""Orders with Celery's default, loses one, and fails: see the README for how to read its report."""


async def test_order_survives_the_death_of_its_worker(customer, private_cluster):
    with customer.stock_locked():
        customer.order(1, task="book_early")
        [worker] = await customer.busy_workers()
        await private_cluster.kill(worker)
    await customer.has(1, within=4)
