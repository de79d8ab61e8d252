import asyncio

from chancy import Chancy
from shop import charge


async def main() -> None:
    async with Chancy() as chancy:
        jobs = [charge.job.with_kwargs(order=order, euros=10 * order) for order in (1, 2, 3)]
        for done in await chancy.wait_for_jobs(await chancy.push_many(*jobs), timeout=300):
            print(done.result)


asyncio.run(main())
