"""The `gateway` command."""

import sys

import click

from domains.kernel.core import log_config
from domains.kernel.core.problems import Problem
from domains.kernel.core.settings import SettingError
from gateway.cli import (
    audit,
    demo,
    doctor,
    import_command,
    jobs,
    keys,
    openapi_document,
    processes,
    workspaces,
)
from gateway.cli.importing.batches import ImportFailed
from gateway.embedded.errors import EmbeddedError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="evidence-gateway", prog_name="gateway")
def cli() -> None:
    """Run and administer the evidence gateway: the discovery and the revenue-record API."""


for _command in (
    *(processes.up, processes.serve, processes.work, processes.migrate, processes.list_settings),
    doctor.doctor,
    *(workspaces.workspaces, keys.keys, jobs.jobs, audit.list_audit),
    *(import_command.import_records, demo.run_demo, openapi_document.print_document),
):
    cli.add_command(_command)


def main() -> None:
    """Run the command. An error prints one sentence to standard error and exits with code 1."""
    # Errors are printed once, as a sentence; log lines would mix with output that scripts read.
    log_config.configure_logging("error", "console")
    expected = (*(Problem, EmbeddedError, SettingError), *(demo.DemoError, ImportFailed))
    try:
        cli(prog_name="gateway")
    except expected as error:
        click.echo(f"gateway: {error}", err=True)
        sys.exit(1)
