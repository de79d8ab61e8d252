"""A database as Django's settings describe it is as good as a DSN."""

from __future__ import annotations

import pytest
from psycopg.conninfo import conninfo_to_dict

from chancy import Chancy, Job
from chancy_core.config import load_settings
from chancy_core.errors import ConfigError

DATABASE = {
    "ENGINE": "django.db.backends.postgresql",
    "NAME": "an app",
    "USER": "ann",
    "PASSWORD": "it's \\a",
    "HOST": "",
    "PORT": 5433,
    "CONN_MAX_AGE": 60,
    "OPTIONS": {"sslmode": "require", "pool": True},
}


def test_the_keys_of_django_become_those_of_libpq():
    """Those that are empty, or of Django's own, are left out."""
    assert conninfo_to_dict(load_settings(dsn=DATABASE).dsn) == {
        "client_encoding": "UTF8",
        "dbname": "an app",
        "user": "ann",
        "password": "it's \\a",
        "port": "5433",
        "sslmode": "require",
    }


async def test_an_application_opens_with_it(dsn, schema):
    """`Chancy(DATABASES["default"])` pushes into that database."""
    parts = conninfo_to_dict(dsn)
    names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    rest = {key: value for key, value in parts.items() if key not in names}
    database = {names[key]: value for key, value in parts.items() if key in names} | {"OPTIONS": rest}
    async with Chancy(database, schema=schema, discover=False) as chancy:
        assert (await (await chancy.push(Job("jobs.noop"))).get()).state == "pending"


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"ENGINE": "django.db.backends.sqlite3"}, r"ENGINE 'django.db.backends.sqlite3': Chancy needs .* PostgreSQL"),
        ({"OPTIONS": "sslmode=require"}, r"OPTIONS of type str: give a dict"),
    ],
)
def test_what_is_wrong_in_it_is_told(changed, says):
    """With the key, and without what is secret."""
    with pytest.raises(ConfigError, match=says) as caught:
        load_settings(dsn={**DATABASE, **changed})
    assert "it's" not in str(caught.value)


def test_any_other_dict_is_no_database():
    """It is refused as whatever is no connection string."""
    with pytest.raises(ConfigError, match=r"argument dsn is a table: give a connection string"):
        load_settings(dsn={"host": "x"})
