import asyncio

import bank
from shop import app, charge


async def main() -> None:
    async with app.open_async():
        ids = await charge.batch_defer_async(*({"order": order, "euros": 10 * order} for order in (1, 2, 3)))
        for order, id_ in enumerate(ids, 1):
            while (await app.job_manager.get_job_status_async(id_)).value != "succeeded":
                await asyncio.sleep(0.1)
            print(bank.booking_of(order))


asyncio.run(main())
