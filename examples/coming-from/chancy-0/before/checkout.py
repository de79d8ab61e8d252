import asyncio

import bank
from shop import QUEUES, charge, chancy


async def main() -> None:
    async with chancy:
        for queue in QUEUES:
            await chancy.declare(queue)
        references = [await chancy.push(charge.job.with_kwargs(order=order, euros=10 * order)) for order in (1, 2, 3)]
        for order, reference in enumerate(references, 1):
            await chancy.wait_for_job(reference, timeout=300)
            print(bank.booking_of(order))


asyncio.run(main())
