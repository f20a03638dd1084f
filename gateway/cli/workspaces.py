"""`gateway workspaces`: create, change and list workspaces."""

from pathlib import Path

import click

from domains.kernel.tenancy.workspaces import list_workspaces
from gateway.cli import admin
from gateway.cli.deployment import by_option, data_option, in_database
from gateway.cli.output import json_option, print_json, print_table, to_minute


@click.group()
def workspaces() -> None:
    """Workspaces: the tenants."""


@workspaces.command("create")
@click.argument("name")
@by_option
@data_option
@json_option
def create(name: str, by: str | None, data: Path, as_json: bool) -> None:
    """Create a workspace."""
    workspace = in_database(data, lambda database: admin.create_workspace(database, name, by))
    if as_json:
        print_json(workspace)
    else:
        click.echo(f"Workspace {workspace.name}: {workspace.id}")


@workspaces.command("set")
@click.argument("workspace")
@click.option(
    "--domain",
    "domains",
    multiple=True,
    help="E-mail domain of the workspace's own people; repeat for several. '' for none.",
)
@click.option(
    "--show",
    type=click.Choice(["everything", "public"]),
    help="Records that the revenue record shows: every record, or those marked as public.",
)
@by_option
@data_option
@json_option
def change_settings(
    workspace: str,
    domains: tuple[str, ...],
    show: str | None,
    by: str | None,
    data: Path,
    as_json: bool,
) -> None:
    """Change the settings of a workspace, given by id or name."""
    new_domains = [domain for domain in domains if domain] if domains else None
    hides_private = None if show is None else show == "public"
    changed = in_database(
        data,
        lambda database: admin.set_workspace(database, workspace, new_domains, hides_private, by),
    )
    if as_json:
        print_json(changed)
    else:
        shown = "public records" if changed.hides_private else "every record"
        listed = ", ".join(changed.domains) or "none"
        click.echo(f"Workspace {changed.name}: domains {listed}; {shown}")


@workspaces.command("provider")
@click.argument("workspace")
@click.argument("switch", required=False, type=click.Choice(["on", "off"]))
@by_option
@data_option
@json_option
def set_provider(
    workspace: str, switch: str | None, by: str | None, data: Path, as_json: bool
) -> None:
    """Allow or forbid sending a workspace's texts to the endpoint of GATEWAY_CHAT_URL.

    Without on or off, show the present setting. The default is off.
    """
    uses = None if switch is None else switch == "on"
    setting = in_database(data, lambda database: admin.set_provider(database, workspace, uses, by))
    if as_json:
        print_json(setting)
    else:
        state = "may be sent to the chat endpoint" if setting.uses_provider else "stay here"
        click.echo(f"Workspace {setting.name}: its texts {state}")


@workspaces.command("list")
@data_option
@json_option
def list_all(data: Path, as_json: bool) -> None:
    """List the workspaces."""
    listed = in_database(data, lambda database: list_workspaces(database.read))
    if as_json:
        print_json(listed)
    else:
        print_table(
            ("id", "name", "created"),
            [
                (str(workspace.id), workspace.name, to_minute(workspace.created_at))
                for workspace in listed
            ],
        )
