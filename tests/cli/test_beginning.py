"""`chancy worker --preload` and `--setup`: what is done before the first job, and how it fails."""

from __future__ import annotations

import pytest


def test_modules_are_imported_and_functions_called_before_the_first_job(run, tmp_path):
    """Plain ones and coroutine functions, in their order."""
    noted = tmp_path / "noted"
    (tmp_path / "loaded.py").write_text(f"open({str(noted)!r}, 'a').write('loaded\\n')\n")
    options = ("--preload", "loaded", "--setup", "cli_jobs:set_up", "--setup", "cli_jobs:set_up_async")
    done = run("worker", "--until-idle", *options, env={"NOTED": str(noted)})
    assert done.code == 0, done.err
    words = noted.read_text().split()
    assert words[:3] == ["loaded", "set", "up"]
    assert words[4:7] == ["set", "up", "async"]
    assert done.err.index('"modules_preloaded"') < done.err.index('"set_up"') < done.err.index('"worker_started"')


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--preload", "nowhere"), "--preload nowhere does not import: ModuleNotFoundError: No module named 'nowhere'"),
        (("--preload", "broken"), "--preload broken does not import: SyntaxError"),
        (("--setup", "cli_jobs"), "--setup is 'cli_jobs': give module:function, such as app.start:setup."),
        (("--setup", "cli_jobs:nothing"), "--setup cli_jobs:nothing: cli_jobs has no 'nothing'."),
        (("--setup", "os:sep"), "--setup os:sep is of the type str, and cannot be called."),
        (("--setup", "cli_jobs:set_up_badly"), "--setup cli_jobs:set_up_badly failed: LookupError: no such tenant"),
        (("--processes", "2", "--preload", "nowhere"), "--preload nowhere does not import"),
    ],
)
def test_what_cannot_begin_ends_with_the_reason(run, query, tmp_path, options, told):
    """With exit code 1 and no traceback; several processes are not started again and again."""
    (tmp_path / "broken.py").write_text("def f(:\n")
    done = run("worker", *options)
    assert done.code == 1, done.err
    assert told in done.err
    assert query("SELECT to_regclass('{s}.workers')") == [(None,)]
