"""The allow-list `functions`: what it names has to live where it says, whatever the name leads through."""

from __future__ import annotations

import sys

import pytest
from support import WITHIN_S, captured_events, until

from chancy import Chancy, Job, Queue, Worker
from chancy_core.errors import CannotRunHere, InvalidQueue
from chancy_core.executors import ExecutorSettings, load_executor
from chancy_core.executors.allowed import AllowList, home_of
from chancy_core.executors.functions import Functions
from chancy_core.executors.process import ProcessExecutor

PATTERNS = ["allowed_app.*"]
PROCESS = Chancy.Executor.Process


def found(path, patterns=PATTERNS):
    return Functions(patterns).find(Job(func=path)).call


def settings(patterns=PATTERNS):
    return ExecutorSettings("test", 1, 1000, Functions(patterns))


@pytest.mark.parametrize(
    ("path", "result"),
    [
        ("allowed_app.jobs.plain", "plain"),
        ("allowed_app.jobs:plain", "plain"),
        ("allowed_app.jobs.declared", "declared"),
        ("allowed_app.jobs.decorated", "decorated"),
        ("allowed_app.jobs.cached", "cached"),
        ("allowed_app.jobs.inner", "made"),
        ("allowed_app.jobs.own_partial", "plain"),
        ("allowed_app.jobs.partial_of_partial", "plain"),
        ("allowed_app.jobs.service", "called"),
        ("allowed_app.jobs.service.method", "method"),
        ("allowed_app.jobs.Service.made", "class method"),
        ("allowed_app.jobs.Service.static", "static"),
        ("allowed_app.jobs.space.own", "plain"),
        ("allowed_app.send", "sent"),
        ("allowed_app.mail.send", "sent"),
    ],
)
def test_what_lives_where_it_is_allowed_runs(path, result):
    """Functions, methods, decorated ones, partials, instances, and what a package re-exports from its own modules."""
    assert found(path)() == result


def test_a_class_is_called_by_its_name():
    """A class that lives there may be called, whatever it inherits."""
    assert type(found("allowed_app.jobs.Service")()).__name__ == "Service"


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("allowed_app.jobs.os.system", "it leads through the module os, which is only imported there"),
        ("allowed_app.jobs.allowed_elsewhere.helper", "leads through the module allowed_elsewhere"),
        ("allowed_app.jobs.Holder.system.getcwd", "leads through the module os"),
        ("allowed_app.jobs.renamed", "lives in the module allowed_elsewhere, as allowed_elsewhere.helper"),
        ("allowed_app.jobs.Holder.helper", "lives in the module allowed_elsewhere"),
        ("allowed_app.jobs.space.run", "lives in the module allowed_elsewhere"),
        ("allowed_app.jobs.foreign_method", "as allowed_elsewhere.Base.inherited"),
        ("allowed_app.jobs.service.inherited", "as allowed_elsewhere.Base.inherited"),
        ("allowed_app.jobs.Service.inherited_class", "as allowed_elsewhere.Base.inherited_class"),
        ("allowed_app.jobs.Base", "as allowed_elsewhere.Base"),
        ("allowed_app.jobs.foreign", "as allowed_elsewhere.Caller.__call__"),
        ("allowed_app.jobs.silent", "as allowed_elsewhere.Caller.__call__"),
        ("allowed_app.jobs.foreign_partial", "as allowed_elsewhere.helper"),
        ("allowed_app.jobs.foreign_partial.func", "as allowed_elsewhere.helper"),
        ("allowed_app.jobs.deep_partial", "lives in the module posix"),
        ("allowed_app.jobs.getcwd", "lives in the module posix"),
        ("allowed_app.jobs.proxy.system", "lives in the module posix"),
        ("allowed_app.jobs.decorated_barely", "A decorator has to use functools.wraps"),
        ("allowed_app.jobs.cached.cache_clear", "functools"),
        ("allowed_app.jobs.decorated.__wrapped__", "one of Python's own names"),
        ("allowed_app.jobs.plain.__globals__.clear", "one of Python's own names"),
        ("allowed_app.jobs.Service.__subclasses__", "one of Python's own names"),
        ("allowed_app.jobs.__builtins__.eval", "one of Python's own names"),
        ("allowed_app.jobs.Service.mro", "lives in the module builtins"),
        ("allowed_app.jobs.upper", "lives in the module builtins, as builtins.str.upper"),
        ("allowed_app.jobs.appended", "lives in the module builtins"),
        ("allowed_app.jobs.Job.from_func", "lives in the module chancy_core.values.job"),
        ("allowed_app.jobs.os", "is not callable"),
        ("allowed_elsewhere.helper", "matches none of the patterns in `functions` (allowed_app.*)"),
    ],
)
def test_what_lives_elsewhere_is_refused(path, says):
    """However the name leads there, and the error says where it lives."""
    with pytest.raises(CannotRunHere) as caught:
        found(path)
    assert says in str(caught.value)
    assert path in str(caught.value)


def test_without_a_list_any_name_leads_anywhere():
    """Nothing changes for those who have set no `functions`."""
    assert found("allowed_app.jobs.allowed_elsewhere.helper", None)() == "helped"
    assert found("allowed_app.jobs.renamed", None)() == "helped"


def test_a_name_of_its_own_home_may_be_narrow():
    """A pattern that is one name allows what its module defines; what is re-exported has to be allowed at its home."""
    assert found("allowed_app.jobs.inner", ["allowed_app.jobs.inner"])() == "made"
    with pytest.raises(CannotRunHere, match=r"as allowed_app\.mail\.send"):
        found("allowed_app.send", ["allowed_app.send"])
    assert found("allowed_app.send", ["allowed_app.send", "allowed_app.mail.*"])() == "sent"
    with pytest.raises(CannotRunHere, match="may not be run"):
        found("allowed_app.jobs.plain", [])


@pytest.mark.parametrize("path", ["allowed_not.setup", "allowed_not.Special.run", "allowed_not.os.system"])
def test_a_module_that_is_not_allowed_is_not_imported(path, monkeypatch):
    """Importing runs code, so a refused name imports nothing."""
    monkeypatch.delitem(sys.modules, "allowed_not", raising=False)
    with pytest.raises(CannotRunHere):
        found(path)
    assert "allowed_not" not in sys.modules


@pytest.mark.parametrize(
    ("pattern", "module", "may"),
    [
        ("app.jobs.*", "app.jobs", True),
        ("app.jobs.*", "app.jobs.mail", True),
        ("app.jobs.*", "app", True),  # it is imported with its modules anyway
        ("app.jobs.*", "ap", False),
        ("app.jobs.*", "app.jobsite", False),
        ("app.jobs.send", "app.jobs", True),
        ("app.jobs.send", "app.jobs.send", False),
        ("app.*.send", "app.x.y", True),
        ("app.j*s.send", "app.jobs", True),
        ("app.j*s.send", "app.job", True),
        ("app.j*s.send", "app.x", False),
        ("*", "os", True),
        ("*.jobs", "os", True),
        ("app**jobs.f", "app.jobs", True),
    ],
)
def test_a_module_may_be_imported_if_a_name_in_it_could_match(pattern, module, may):
    """`app.j*s.send` may also be met by `app.job.s.send`."""
    allow_list = AllowList([pattern])
    if may:
        allow_list.check_module(module)
    else:
        with pytest.raises(CannotRunHere, match="may not be imported"):
            allow_list.check_module(module)


def test_what_cannot_say_where_it_lives_is_refused():
    """A callable that denies its module has none."""

    def lost() -> None: ...

    lost.__module__ = None  # type: ignore[assignment]
    home = home_of(lost)
    assert home.module != __name__
    with pytest.raises(CannotRunHere):
        AllowList(["x.*"]).check_home("x.lost", "x", lost)


def test_a_script_is_called_main_in_child_processes_too():
    """There it is another module, whose functions live where the script's do."""

    def task() -> None: ...

    task.__module__, task.__qualname__ = "__mp_main__", "task"
    AllowList(["__main__.*"]).check_home("__main__.task", "__main__", task)
    assert str(home_of(task)) == "__main__.task"


# -- what the options of queues name -------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"initializer": "allowed_not.setup"}, "allowed_not.setup may not be run: it matches none of the patterns"),
        ({"initializer": "os.system"}, "os.system may not be run"),
        ({"preload": ["allowed_not"]}, "The module allowed_not may not be imported"),
        ({"preload": ["allowed_app.jobs", "os"]}, "The module os may not be imported"),
        ({"preload": "allowed_app"}, "give a list of modules"),
        ({"preload": [1]}, "give a list of modules"),
        ({"initializer": 1}, "give the importable name of a function"),
    ],
)
@pytest.mark.parametrize("executor", [PROCESS, Chancy.Executor.Auto])
def test_options_name_only_what_is_allowed(executor, options, says, monkeypatch):
    """Whoever may write the table of queues has nothing called, and nothing imported, that is not allowed."""
    monkeypatch.delitem(sys.modules, "allowed_not", raising=False)
    with pytest.raises(InvalidQueue) as caught:
        load_executor(Queue("q", executor=executor, executor_options=options), settings())
    assert says in str(caught.value)
    assert "allowed_not" not in sys.modules


def test_an_executor_by_import_path_has_to_be_allowed(monkeypatch):
    """Those that come with Chancy always are; others neither run nor are imported unless a pattern allows them."""
    monkeypatch.delitem(sys.modules, "allowed_not", raising=False)
    with pytest.raises(InvalidQueue, match=r"allowed_not\.Special may not be run"):
        load_executor(Queue("q", executor="allowed_not.Special"), settings())
    assert "allowed_not" not in sys.modules
    assert type(load_executor(Queue("q", executor="process"), settings())) is ProcessExecutor
    special = load_executor(Queue("q", executor="allowed_not.Special"), settings(["allowed_not.*"]))
    assert type(special).__name__ == "Special"


def problem(events):
    """Why a function is left alone."""
    return next((one["problem"] for one in events if one["event"] == "function_left_alone"), None)


async def test_an_initializer_that_lives_elsewhere_is_not_called(new_chancy):
    """A child finds out where it lives, and calls nothing; the worker says why it leaves such jobs alone."""
    options = {"initializer": "allowed_app.jobs.renamed"}
    with captured_events() as events:
        async with new_chancy(functions=PATTERNS) as chancy, Worker(chancy):
            await chancy.declare(Queue("q", executor=PROCESS, executor_options=options))
            await chancy.push(Job(func="allowed_app.jobs.plain", queue="q"))
            await until(lambda: problem(events))
    assert "lives in the module allowed_elsewhere" in problem(events)


async def test_allowed_options_work_in_children(new_chancy):
    """An initializer and a module that are allowed are called and imported, and jobs run by their names there."""
    options = {"initializer": "allowed_app.mail.send", "preload": ["allowed_app.jobs"]}
    with captured_events() as events:
        async with new_chancy(functions=PATTERNS) as chancy, Worker(chancy):
            await chancy.declare(Queue("q", executor=PROCESS, executor_options=options))
            run = await (await chancy.push(Job(func="allowed_app.jobs.service", queue="q"))).wait(timeout=WITHIN_S)
            await chancy.push(Job(func="allowed_app.jobs.os.getcwd", queue="q"))
            await until(lambda: problem(events))
    assert run.result == "called"
    assert "leads through the module os" in problem(events)


async def test_a_queue_whose_options_are_not_allowed_is_told_and_the_others_go_on(new_chancy):
    """It is not served, and the log says what to allow."""
    with captured_events() as events:
        async with new_chancy(functions=PATTERNS) as chancy, Worker(chancy):
            await chancy.declare(Queue("bad", executor=PROCESS, executor_options={"preload": ["allowed_not"]}))
            await until(lambda: any(one["event"] == "queue_not_served" for one in events))
            good = await (await chancy.push(Job(func="allowed_app.send"))).wait(timeout=WITHIN_S)
    assert good.result == "sent"
    told = next(one for one in events if one["event"] == "queue_not_served")
    assert (told["queue"], "The module allowed_not may not be imported" in told["error"]) == ("bad", True)
