"""`chancy migrate`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import click

from chancy_core.app import Chancy
from chancy_core.cli.exits import DOES_NOT_FIT, exits
from chancy_core.cli.showing import json_option, looked_at, show_json
from chancy_core.errors import SchemaError
from chancy_core.store import Migration, run_sync
from chancy_core.store.connect import connect_sync
from chancy_core.store.migrate import applied, problem
from chancy_core.store.plan import missing_of, refusal, script
from chancy_core.store.registry import Applied

CODES: Final = {
    0: "the schema is up to date; with --plan or --sql: it was shown",
    DOES_NOT_FIT: "with --check: the schema does not fit this code",
}


@click.command(epilog=exits(CODES))
@click.option("--plan", is_flag=True, help="Only say what would be applied.")
@click.option("--sql", is_flag=True, help="Only print the statements of that, for whoever may change the schema.")
@click.option("--check", is_flag=True, help="Only look whether the schema fits this code: for a deploy to wait on.")
@json_option
@click.pass_context
def migrate(ctx: click.Context, plan: bool, sql: bool, check: bool, as_json: bool) -> None:
    """Bring the schema up to date, or look at what that would do: --plan, --sql and --check change nothing."""
    if plan + sql + check > 1:
        raise click.UsageError("--plan, --sql and --check exclude each other.")
    if sql and as_json:
        raise click.UsageError("--sql prints SQL: leave out --json.")
    new_chancy: Callable[..., Chancy] = ctx.obj
    if not (plan or sql or check):
        _apply(new_chancy(), as_json=as_json)
        return
    chancy = new_chancy(auto_migrate=False)
    found = _registry_of(chancy)
    wanted = chancy.migrations()
    if sql:
        _print_sql(chancy, found, wanted)
        return
    missing = [] if refusal(chancy.settings.schema, found, wanted) else missing_of(found, wanted)
    wrong = _problem(chancy, found, wanted)
    _tell(chancy, missing, wrong, as_json=as_json, check=check)
    if wrong is not None and check:
        ctx.exit(DOES_NOT_FIT)


def _apply(chancy: Chancy, *, as_json: bool) -> None:
    with chancy:
        # Opening may have made a schema that was missing.
        done = [*chancy.migrated, *chancy.sync_migrate()]
    if as_json:
        show_json(
            {"schema": chancy.settings.schema, "applied": list(map(_document, done)), "left_behind": chancy.left_behind}
        )
        return
    for migration in done:
        click.echo(f"applied {migration.owner} {migration.version}")
    click.echo(f"The {looked_at(chancy)} is up to date.")
    for owner in chancy.left_behind:
        click.echo(f"The tables of {owner} stay as they are: no plugin of that name is loaded.")


def _registry_of(chancy: Chancy) -> Mapping[str, Applied] | None:
    """What has been applied, read without opening, which may change the schema."""
    database = chancy.connections.database
    database.start()
    try:
        with connect_sync(database.dsn, application_name="chancy migrate", pooler=chancy.settings.pooler) as connection:
            return run_sync(connection, applied(chancy.settings.schema))
    finally:
        database.release()


def _problem(chancy: Chancy, found: Mapping[str, Applied] | None, wanted: Sequence[Migration]) -> SchemaError | None:
    """Why this code would refuse to work, or to migrate."""
    return problem(chancy.settings.schema, found, wanted) or refusal(chancy.settings.schema, found, wanted)


def _tell(
    chancy: Chancy, missing: Sequence[Migration], wrong: SchemaError | None, *, as_json: bool, check: bool
) -> None:
    if as_json:
        show_json(
            {
                "schema": chancy.settings.schema,
                "fits": wrong is None,
                "problem": None if wrong is None else str(wrong),
                "missing": list(map(_document, missing)),
            }
        )
        return
    if not check:
        for migration in missing:
            click.echo(f"would apply {migration.owner} {migration.version}{_about(migration)}")
    if wrong is not None and (check or not missing):
        click.echo(str(wrong))
    elif wrong is None:
        click.echo(f"The schema is up to date: {looked_at(chancy)}.")


def _print_sql(chancy: Chancy, found: Mapping[str, Applied] | None, wanted: Sequence[Migration]) -> None:
    """The statements that `chancy migrate` would run, and what it would write into its registry."""
    schema = chancy.settings.schema
    refused = refusal(schema, found, wanted)
    if refused is not None:
        raise refused
    if not missing_of(found, wanted):
        click.echo(f"-- The schema is up to date: {looked_at(chancy)}.")
        return
    click.echo(f"-- What `chancy migrate` would do to {looked_at(chancy)}.")
    for part in script(schema, found, wanted):
        click.echo(f"\n{part}")


def _about(migration: Migration) -> str:
    """What is worth knowing of a step beforehand."""
    words = []
    if not migration.compatible:
        words.append("older code does not work with the tables after it")
    if not migration.in_transaction:
        words.append("outside of a transaction")
    return f" ({'; '.join(words)})" if words else ""


def _document(migration: Migration) -> dict[str, Any]:
    return {
        "owner": migration.owner,
        "version": migration.version,
        "file": migration.file or None,
        "compatible": migration.compatible,
        "in_transaction": migration.in_transaction,
    }
