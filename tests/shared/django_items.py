"""Jobs that use Django's connection, as models do."""

from __future__ import annotations

from asgiref.sync import sync_to_async
from django.db import connection, transaction

from chancy import job


def put(n: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO item VALUES (%s)", [n])


def items() -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT n FROM item ORDER BY n")
        return [n for (n,) in cursor.fetchall()]


@job()
def insert(*, n: int) -> None:
    put(n)


@job()
async def insert_later(*, n: int) -> None:
    await sync_to_async(put)(n)


@job()
def insert_spoiling(*, n: int) -> None:
    with transaction.atomic(savepoint=False):
        put(n)
