import asyncio

from shop import chancy, charge


async def main() -> None:
    references = [await chancy.push(charge.job.with_kwargs(order=order, euros=10 * order)) for order in (1, 2, 3)]
    for reference in references:
        print((await chancy.wait_for_job(reference, timeout=300)).result)


asyncio.run(main())
