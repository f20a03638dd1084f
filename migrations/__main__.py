"""Upgrade the database to the newest revision: `python -m migrations`.

It is that at GATEWAY_DATABASE_DIRECT_URL, by default DATABASE_URL.
"""

import os
import sys
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError

from domains.kernel.core.log_stream import protect_standard_streams
from domains.kernel.core.settings import SettingError, direct_database_url, is_pooled


def upgrade(url: str, *, pooled: bool = False) -> None:
    """Run the missing migrations, each in its own transaction, under one advisory lock.

    `pooled`: also set what a pooler's connections cannot set for themselves.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["url"] = url
    config.attributes["pooled"] = pooled
    command.upgrade(config, "head")


def main() -> int:
    """Return 0, or 1 after printing one error message to standard error."""
    protect_standard_streams()
    try:
        url = direct_database_url(os.environ)
        if not url:
            return _failed("DATABASE_URL is not set. Set it to the URL of the database to migrate.")
        upgrade(url, pooled=is_pooled(os.environ))
    except SettingError as error:
        return _failed(str(error))
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
