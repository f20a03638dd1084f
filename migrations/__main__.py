"""Bring the database that DATABASE_URL names to the newest revision."""

import os
import sys
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError


def upgrade(url: str) -> None:
    """Run every migration that is missing; each is one transaction, under a lock of its own."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["url"] = url
    command.upgrade(config, "head")


def main() -> int:
    """Exit code 0, or 1 with one sentence."""
    url = os.environ.get("DATABASE_URL", "")
    if not url:
        print("DATABASE_URL is not set: the database to migrate", file=sys.stderr)  # noqa: T201
        return 1
    try:
        upgrade(url)
    except CommandError:
        print(  # noqa: T201
            "the database is at a revision that this version does not know: it is older than"
            " the database, run the newer one",
            file=sys.stderr,
        )
        return 1
    except (DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        print(f"the migration failed and changed nothing: {cause}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
