"""A connection string that is none is told by what is wrong with it, and none of its secrets is shown."""

from __future__ import annotations

import pytest

from chancy import Chancy
from chancy_core.errors import DatabaseUnavailable


@pytest.mark.parametrize(
    ("dsn", "says"),
    [
        ("nonsense", "Give one such as postgresql://"),
        ("localhost:5432", "Give one such as postgresql://"),
        ("mysql://ann:hush@h/app", "it begins with mysql, and Chancy needs PostgreSQL"),
        ("sqlite:///app.db", "it begins with sqlite"),
        ("jdbc:postgresql://h/app", "it begins with jdbc"),
        ("https://ann:hush@h/app", "it begins with https"),
        ("postgresql+asyncpg://ann:hush@h/app", "Leave out +asyncpg, the name of a driver"),
        ("postgres+psycopg2://ann:hush@h/app", "Leave out +psycopg2"),
        ("postgresql://ann:hush@h/app?sslmod=require", "Did you mean 'sslmode'?"),
        ("host=h pasword=hush", "Did you mean 'password'?"),
        ("host=h password=a hush=b", "an option that libpq does not know. Give one such as"),
        ("postgres//ann:hush@h/app", "Give one such as postgresql://"),
    ],
)
async def test_a_wrong_dsn_is_told_by_what_is_wrong_with_it(dsn, says):
    """What to write instead, by which way it is given; a password is never repeated."""
    with pytest.raises(DatabaseUnavailable) as caught:
        async with Chancy(dsn, discover=False):
            pass
    assert str(caught.value).startswith("The DSN is not a PostgreSQL connection string")
    assert says in str(caught.value)
    assert "hush" not in str(caught.value)
