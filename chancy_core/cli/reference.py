"""The page `docs/reference/cli.md`, made from the commands themselves: `python -m chancy_core.cli.reference > …`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Final

import click

from chancy_core.cli.exits import exits, with_exits
from chancy_core.cli.group import COMMANDS, chancy

HEAD: Final = """# The command line

This page is made from the commands: `python -m chancy_core.cli.reference > docs/reference/cli.md` writes it anew. The
same text is in `chancy COMMAND --help`. Plugins bring commands of their own, which `chancy --help` lists as well.

```console
$ chancy status
$ chancy jobs state:failed since:2h
$ chancy worker --processes 4
```

The options of `chancy` itself stand before the command: `chancy --schema billing queues`. Where the database is, is
said by `--dsn`, by `CHANCY_DSN`, or by the [configuration file](settings.md); without any of these it is the embedded
PostgreSQL.

* **In a terminal** a table is as wide as that, and what does not fit is broken into lines. Columns that hold nothing
  but what is usual are left out. `NO_COLOR=1` leaves out colours.
* **In a pipe or a file** a row is a line, whole, with every column.
* **`--json`** prints one document, for programs. Times in it are ISO 8601 with their offset, durations are seconds.
* **Looking changes nothing.** Only `worker`, `migrate` and `push` make a schema that is missing; the others say that
  it is not there, and which one may have been meant.
* **Errors** are one line on standard error, with what to do.
* **Exit codes**: a number means one thing, whichever command exits with it. Those of every command are 0, it is done;
  1, it failed or something was refused, and the line on standard error says why; 2, an option or an argument is
  wrong; 130, Ctrl-C. Where a command has more of them, they stand beneath it; [all of them](exit-codes.md) are on one
  page.
"""

END: Final = """
## Where to go next

[Exit codes](exit-codes.md) has all of them on one page, and [errors](errors.md) the classes that stand in a line on
standard error. [Operating](../how-to/operating.md) uses these commands for what one does with a queue that runs, and
`chancy doctor`, which [a plugin](../../plugins/doctor/README.md) brings, says what is wrong with it.
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
        yield "| option | |\n|---|---|"
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
