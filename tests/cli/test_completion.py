"""Shells complete commands, options, queues, functions and the terms of a query."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys

import pytest

from chancy import Job, Queue


@pytest.fixture
def complete(run):
    """What is suggested for the last word."""

    def ask(*words: str, **env: str) -> list[str]:
        asked = {
            "_CHANCY_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(["chancy", *words]),
            "COMP_CWORD": str(len(words)),
        }
        done = run(env={**asked, **env})
        assert done.err == ""
        return [line.removeprefix("plain,") for line in done.out.split()]

    return ask


async def test_names_are_those_of_the_database(chancy, complete):
    """Queues that are declared, functions that jobs call; also where bash breaks a word at its colon."""
    await chancy.declare(Queue("mail"))
    await chancy.declare(Queue("maps"))
    await chancy.push_many([Job(func="app.mail.send"), Job(func="app.report.make")])

    async def asked(*words: str) -> list[str]:
        return await asyncio.to_thread(complete, *words)

    assert await asked("queue", "pause", "ma") == ["mail", "maps"]
    assert await asked("worker", "--queue", "map") == ["maps"]
    assert await asked("jobs", "queue:ma") == ["queue:mail", "queue:maps"]
    assert await asked("retry", "state:failed", "func:app.m") == ["func:app.mail.send"]
    assert await asked("jobs", "func", ":", "app.r") == ["app.report.make"]


def test_commands_options_and_terms_need_no_database(complete):
    """They are completed at once, whether there is one or not."""
    nowhere = {"CHANCY_DSN": "postgresql://127.0.0.1:1/none"}
    assert complete("que", **nowhere) == ["queue", "queues"]
    assert complete("jobs", "st", **nowhere) == ["state:"]
    assert complete("jobs", "state:f", **nowhere) == ["state:failed", "state:finished"]
    assert "--limit" in complete("jobs", "--l", **nowhere)


def test_a_database_that_does_not_answer_is_no_reason_to_say_anything(complete):
    """Nor is a configuration that cannot be read, or a schema that is not there."""
    assert complete("queue", "pause", "d", CHANCY_DSN="postgresql://127.0.0.1:1/none") == []
    assert complete("queue", "pause", "d", CHANCY_WORKER_LEASE_S="soon") == []
    assert complete("queue", "pause", "d") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_takes_what_is_printed_for_it(run, shell):
    """As far as there is such a shell here, it reads it."""
    done = run("completion", shell)
    assert (done.code, "_CHANCY_COMPLETE" in done.out) == (0, True)
    program = shutil.which(shell)
    if program is not None:
        checked = subprocess.run([program, "-n"], input=done.out, text=True, capture_output=True, check=False)
        assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_really_completes(run, tmp_path):
    """What is printed defines a function that bash calls, and that finds the commands."""
    (tmp_path / "chancy").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m chancy_core "$@"\n')
    (tmp_path / "chancy").chmod(0o755)
    script = (
        f'PATH="{tmp_path}:$PATH"; eval "$(chancy completion bash)"; COMP_WORDS=(chancy stat); COMP_CWORD=1; '
        '_chancy_completion chancy; echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", script], env=run.environment, text=True, capture_output=True, check=False)
    assert done.stdout == "status\n", done.stderr
