"""`gateway up`, `serve`, `work`, `migrate` and `settings`: the product's processes."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from domains.kernel.core import settings
from domains.kernel.db.tables import SCHEMA_REVISION
from gateway.cli import admin, deployment
from gateway.cli.deployment import data_option
from gateway.cli.diagnosis import effective_settings
from gateway.cli.output import json_option, print_json, print_table
from gateway.embedded.up import up as run_everything

Command = TypeVar("Command", bound=Callable[..., Any])

# Placeholders for the servers that `up` starts, where the environment names none.
_EMBEDDED: Final = {
    "DATABASE_URL": "postgresql://embedded",
    "REDIS_URL": "unix:///embedded",
    "BLOB_URL": "file:///embedded",
}


def _processes_option(name: str) -> Callable[[Command], Command]:
    return click.option(
        name,
        type=click.IntRange(1, 64),
        default=1,
        show_default=True,
        envvar="GATEWAY_SERVE_PROCESSES",
        help="Number of API processes, which share the port.",
    )


@click.command()
@data_option
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    envvar="GATEWAY_HOST",
    help="Address the API listens on.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    envvar="GATEWAY_PORT",
    help="Port the API listens on; 0 for any free port.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Number of worker processes.",
)
@_processes_option("--api-processes")
@click.option("--no-demo", is_flag=True, help="Do not create the demo workspace and its key.")
def up(data: Path, host: str, port: int, workers: int, api_processes: int, no_demo: bool) -> None:
    """Run everything on this machine: PostgreSQL, Valkey, the API and workers."""
    # A wrong setting is reported here, not by children that do not start.
    variables = {name: value for name, value in os.environ.items() if value.strip()}
    loaded = settings.load_settings({**_EMBEDDED, **variables})
    run_everything(
        data,
        host=host,
        port=port,
        workers=workers,
        api_processes=api_processes,
        demo=None if no_demo else _welcome(data),
        environment=os.environ,
        migrated=deployment.schema_is_current,
        watchdog_timeout=loaded.watchdog_timeout,
    )


@click.command()
@data_option
@_processes_option("--processes")
def serve(data: Path, processes: int) -> None:
    """Run the API alone."""
    _replace_process("gateway.serve", data, GATEWAY_SERVE_PROCESSES=str(processes))


@click.command()
@data_option
def work(data: Path) -> None:
    """Run one worker process."""
    _replace_process("workers", data)


@click.command()
@data_option
@json_option
def migrate(data: Path, as_json: bool) -> None:
    """Migrate the database to the schema of this version."""
    variables = deployment.environment(data)
    deployment.database_url(variables, data)
    result = subprocess.run([sys.executable, "-m", "migrations"], env=variables)
    if result.returncode:
        sys.exit(result.returncode)
    if as_json:
        print_json({"revision": SCHEMA_REVISION})
    else:
        click.echo("The schema is up to date.")


@click.command("settings")
@data_option
@json_option
def list_settings(data: Path, as_json: bool) -> None:
    """List the settings: environment variables with their values, origins and defaults.

    Secrets are masked.
    """
    listed = effective_settings.list_effective(os.environ, deployment.environment(data))
    if as_json:
        print_json(listed)
        return
    rows = [
        (
            setting.name,
            "" if setting.value is None else setting.value,
            setting.origin,
            "required" if setting.default is None else setting.default,
            setting.meaning,
        )
        for setting in listed
    ]
    print_table(("name", "value", "origin", "default", "meaning"), rows)


def _replace_process(module: str, data: Path, **options: str) -> None:
    """Execute the module in place of this process, which frees the memory of its imports.

    `options` are environment variables that the command's options set.
    """
    variables = {**deployment.environment(data), **options}
    # A wrong setting is reported here, not after a second of imports.
    settings.load_settings(variables)
    os.execve(sys.executable, [sys.executable, "-m", module], variables)  # noqa: S606


def _welcome(data: Path) -> Callable[[dict[str, str]], list[str]]:
    """Return a function for the lines that `up` prints: new key, commands to try, reference URL."""
    program = Path(sys.argv[0])
    gateway = os.path.relpath(program) if program.is_absolute() else str(program)
    with_data = "" if data == Path(".data") else f" --data {data}"

    def lines(urls: dict[str, str]) -> list[str]:
        base = urls["api_url"]
        key = deployment.with_database(urls["gateway_database_direct_url"], admin.create_demo_key)
        if key is None:
            key_lines = [
                "To create another key:",
                f"  {gateway} keys create --workspace {admin.DEMO} --scope all{with_data}",
            ]
        else:
            key_lines = [
                f"Workspace {admin.DEMO!r} with a key of all scopes. Copy the key now; it cannot"
                " be shown again:",
                f"  export KEY={key.key}",
            ]
        text = "Exports are hard to find and take minutes. I would love a CSV button."
        return [
            "",
            *key_lines,
            "",
            "Try:",
            f"""  curl -s {base}/external/v1/signals -H "Authorization: Bearer $KEY" \\""",
            f"""    -d '{{"signalType": "review", "text": "{text}"}}'""",
            f"""  curl -s {base}/external/v1/insights -H "Authorization: Bearer $KEY\"""",
            f"  {gateway} demo{with_data}",
            "",
            f"API reference: {base}/reference",
            "",
        ]

    return lines
