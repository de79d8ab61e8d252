import asyncio

from chancy import Chancy, Worker, job


@job(max_attempts=3)
async def greet(*, name: str) -> str:
    return f"Hello, {name}!"


async def main() -> None:
    async with Chancy() as chancy, Worker(chancy):
        reference = await chancy.push(greet.job.with_kwargs(name="Alice"))
        print((await reference.wait()).result)


asyncio.run(main())
