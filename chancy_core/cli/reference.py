"""The page `docs/reference/cli.md`, made from the commands themselves: `python -m chancy_core.cli.reference > …`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Final

import click

from chancy_core.cli.exits import exits, with_exits
from chancy_core.cli.group import COMMANDS, chancy

HEAD: Final = """# The command line

```console
$ chancy status
$ chancy jobs state:failed since:2h
$ chancy --schema billing queues
$ chancy worker --processes 4
```

These say how everything stands, which jobs failed within two hours, and which queues another schema has; the last one
starts four workers. Options of `chancy` itself, such as `--schema`, stand before the command.

**Which database?** The one that `--dsn` names. Without that option it is the one of the variable `CHANCY_DSN`, then the
one of the [configuration file](settings.md), and without any of these the embedded PostgreSQL.

Each command has a section below. The same text is in `chancy COMMAND --help`. Plugins bring commands of their own; they
stand in the READMEs of the [plugins](../../plugins/README.md), and `chancy --help` lists them as well. This holds for
all commands:

* **In a terminal** a table is as wide as the terminal, and what does not fit is broken into lines. A column is left out
  if it holds nothing but what is usual. `NO_COLOR=1` leaves out colours.
* **In a pipe or a file** each row is one line, whole, with every column.
* **`--json`** prints one document, for programs. Times in it are ISO 8601 with their offset, and durations are seconds.
  If what you named is not there, or something else is wrong, nothing is printed to standard output: the exit code is 1
  or 2, and the last line on standard error says why, as without `--json`.
* **Looking changes nothing.** Only `worker`, `migrate` and `push` make a schema that is missing. The others say that
  it is not there, and which one may have been meant.
* **Errors** are one line on standard error, which says what to do.
* **Exit codes:** a number means one thing, whichever command exits with it. Every command has these: 0, it is done; 1,
  it failed or something was refused, and the line on standard error says why; 2, an option or an argument is wrong;
  130, Ctrl-C. If a command has more of them, they stand in its section. [All of them](exit-codes.md) are on one page.

This page is made from the commands: `python -m chancy_core.cli.reference > docs/reference/cli.md` writes it anew.
"""

END: Final = """
## Where to go next

[Operating](../how-to/operating.md) uses these commands for a queue that runs. `chancy doctor`, which
[a plugin](../../plugins/doctor/README.md) brings, says what is wrong with it. [Exit codes](exit-codes.md) has all codes
on one page, and [errors](errors.md) explains the names of classes in a line on standard error.
"""


def page() -> Iterator[str]:
    """The lines of the page."""
    yield HEAD
    context = click.Context(chancy, info_name="chancy")
    yield from _command(chancy, context, heading="## Options of `chancy` itself")
    for name in sorted(COMMANDS):
        command = chancy.get_command(context, name)
        if command is None or command.hidden:
            continue
        yield from _tree(command, click.Context(command, info_name=name, parent=context))
    yield END


def _tree(command: click.Command, context: click.Context, level: int = 2) -> Iterator[str]:
    yield from _command(with_exits(command), context, heading=f"{'#' * level} `{context.command_path}`")
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None and not inner.hidden:
                yield from _tree(inner, click.Context(inner, info_name=name, parent=context), level + 1)


def _command(command: click.Command, context: click.Context, *, heading: str) -> Iterator[str]:
    yield f"\n{heading}\n"
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    yield f"```text\n{usage}\n```\n"
    yield _text(command.help or "")
    options = [option for option in command.params if isinstance(option, click.Option) and not option.hidden]
    if options:
        yield "| option | what it does |\n|---|---|"
        for option in options:
            found = option.get_help_record(context)
            if found is not None:
                yield f"| `{_cell(found[0])}` | {_cell(found[1])} |"
        yield ""
    if command.epilog and command.epilog != exits():
        yield _text(command.epilog)


def _text(text: str) -> str:
    """A help text as Markdown: what is not to be broken is code."""
    parts = []
    for part in inspect.cleandoc(text).split("\n\n"):
        lines = part.splitlines()
        if lines and lines[0].strip() == "\b":
            parts.append("```text\n" + "\n".join(lines[1:]) + "\n```")
        else:
            parts.append(" ".join(line.strip() for line in lines))
    return "\n\n".join(parts) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    click.echo("\n".join(page()).rstrip("\n"))
