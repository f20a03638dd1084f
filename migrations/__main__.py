"""Upgrade the database at DATABASE_URL to the newest revision: `python -m migrations`."""

import os
import sys
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError

from domains.kernel.core.log_stream import protect_standard_streams


def upgrade(url: str) -> None:
    """Run the missing migrations, each in its own transaction, under one advisory lock."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["url"] = url
    command.upgrade(config, "head")


def main() -> int:
    """Return 0, or 1 after printing one error message to standard error."""
    protect_standard_streams()
    url = os.environ.get("DATABASE_URL", "")
    if not url:
        return _failed("DATABASE_URL is not set. Set it to the URL of the database to migrate.")
    try:
        upgrade(url)
    except CommandError:
        return _failed(
            "The database has a revision that this version does not know. Run the newer version"
            " that migrated the database."
        )
    except (DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        return _failed(f"The migration failed; its changes were not applied: {cause}")
    return 0


def _failed(message: str) -> int:
    print(message, file=sys.stderr)  # noqa: T201
    return 1


if __name__ == "__main__":
    sys.exit(main())
