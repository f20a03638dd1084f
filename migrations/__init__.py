"""Alembic migrations. `python -m migrations` upgrades a database to the newest revision."""
