"""`gateway openapi`: print an OpenAPI document."""

from typing import Final

import click

from gateway.cli.output import print_json

_SURFACES: Final = ("both", "discovery", "revenue")


@click.command("openapi")
@click.option(
    "--surface",
    type=click.Choice(_SURFACES),
    default="both",
    show_default=True,
    help="The API to describe.",
)
@click.option(
    "--url",
    envvar="GATEWAY_PUBLIC_URL",
    default="http://127.0.0.1:8000",
    show_default=True,
    help="URL of the API for clients.",
)
def print_document(surface: str, url: str) -> None:
    """Print the OpenAPI document, for code generators. Needs no database."""
    # These load the whole API, which other commands do not need.
    from gateway.app import SURFACES
    from gateway.discovery.surface import DISCOVERY
    from gateway.openapi.document import build_document
    from gateway.revenue.surface import REVENUE

    surfaces = {"both": SURFACES, "discovery": (DISCOVERY,), "revenue": (REVENUE,)}[surface]
    print_json(build_document(surfaces, url.rstrip("/")))
