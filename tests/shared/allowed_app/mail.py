"""A function that the package re-exports."""


def send() -> str:
    return "sent"
