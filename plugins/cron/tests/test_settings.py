"""The table in the configuration file, and what is said about a wrong one."""

from __future__ import annotations

import pytest

from chancy import Job
from chancy.errors import ConfigError
from chancy.testing import configured
from chancy_cron import Cron, Missed

GOOD = {"name": "s", "cron": "0 3 * * *", "job": {"func": "app.jobs.report", "kwargs": {"full": True}}}


def from_toml(table) -> Cron:
    return configured(Cron, table)


def test_three_lines_are_enough():
    """Name, cron and job; the rest has defaults, and the name as well."""
    (schedule,) = from_toml({"schedules": [{"name": "s", "cron": "@daily", "job": "app.jobs.report"}]}).schedules
    assert schedule.job == Job(func="app.jobs.report")
    assert (schedule.timezone, schedule.queue, schedule.missed) == ("UTC", "default", Missed.ONCE)


def test_every_field_of_a_job_can_be_given():
    """As a table."""
    limits = [{"type": "time", "value": 5}, {"type_": "memory", "value": 9}]
    job = {"func": "a.b", "kwargs": {"x": 1}, "priority": -1, "limits": limits,
           "backoff": {"base_s": 2}, "queue": "mail"}  # fmt: skip
    (schedule,) = from_toml({"schedules": [{**GOOD, "job": job}]}).schedules
    assert (schedule.job.limits[0].value, schedule.job.backoff.base_s, schedule.queue) == (5, 2, "mail")


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"intervall": 1}, "plugins.cron.intervall is unknown. Did you mean 'interval'?"),
        ({"interval": 0}, "interval is 0"),
        ({"interval": "1"}, "plugins.cron.interval is '1': give a number"),
        ({"late_s": 0}, "late_s is 0"),
        ({"keep_fires": 0}, "keep_fires is 0"),
        ({"schedules": {}}, "plugins.cron.schedules is a table: give a list"),
        ({"schedules": ["nightly"]}, "schedules[0]: a schedule is 'nightly': give a table."),
        ({"schedules": [{**GOOD, "crno": "x"}]}, "schedules[0] (s): crno is unknown. Did you mean 'cron'?"),
        ({"schedules": [{"name": "s", "job": "a.b"}]}, "schedules[0] (s): cron is missing."),
        ({"schedules": [{**GOOD, "cron": "0 25 * * *"}]}, "schedules[0] (s): cron is '0 25 * * *': the hour is '25'"),
        ({"schedules": [{**GOOD, "timezone": "Berlin"}]}, "schedules[0] (s): timezone is 'Berlin'"),
        ({"schedules": [{**GOOD, "missed": "onse"}]}, "missed is 'onse': give 'skip', 'once' or 'all'."),
        ({"schedules": [{**GOOD, "job": {"fun": "a.b"}}]}, "job.fun is unknown. Did you mean 'func'?"),
        (
            {"schedules": [{**GOOD, "job": {"func": "a.b", "backoff": {"bas_s": 2}}}]},
            "job.backoff.bas_s is unknown. Did you mean 'base_s'?",
        ),
        (
            {"schedules": [{**GOOD, "job": {"func": "a.b", "limits": [{"type_": "time", "valeu": 2}]}}]},
            "job.limits[0].valeu is unknown. Did you mean 'value'?",
        ),
        (
            {"schedules": [{**GOOD, "job": {"func": "a.b", "limits": [{"type": "disk", "value": 2}]}}]},
            "job.limits[0]: Limit type 'disk' is unknown",
        ),
        ({"schedules": [{**GOOD, "job": {"kwargs": {}}}]}, "job.func is missing"),
        ({"schedules": [{**GOOD, "job": {"func": "a b"}}]}, "func is 'a b'"),
        (
            {"schedules": [{**GOOD, "job": {"func": "a.b", "priority": "high"}}]},
            "job.priority is 'high': give a whole number",
        ),
        ({"schedules": [{**GOOD, "job": 5}]}, "job is 5: give a table."),
        ({"schedules": [GOOD, GOOD]}, "there are 2 named 's'"),
        ({"schedules": [{**GOOD, "cron": "x"}, {**GOOD, "name": "t", "timezone": "x"}]}, "schedules[1] (t): timezone"),
    ],
)
def test_a_wrong_table_is_refused_in_words(table, told):
    """With the file, the place, and the nearest right name."""
    with pytest.raises(ConfigError) as caught:
        from_toml(table)
    assert told in str(caught.value)
    assert str(caught.value).startswith("chancy.toml: plugins.cron")
    assert not str(caught.value).endswith(("..", "?."))
