"""The functions of the documented examples."""

greeted: list[str] = []
failures: dict[str, int] = {}


def greet(name: str):
    greeted.append(f"Hello, {name}!")


async def generate_report(user_id: int):
    return user_id


async def fail_for(name: str, times: int):
    """Fails so many times."""
    failures[name] = failures.get(name, 0) + 1
    if failures[name] <= times:
        raise ValueError(name)
