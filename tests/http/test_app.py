"""The application: start, prefixes, OPTIONS and log formats."""

import contextlib
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from litestar import Litestar, get

from domains.kernel.core import log_config
from gateway.app import UndeclaredOperation, require_operations
from gateway.operations import operation
from tests.stack import Tenant


@get("/declared", opt=operation("declared", "any key", "Declared"))
async def declared() -> None:
    return


@get("/undeclared")
async def undeclared() -> None:
    return


def test_a_handler_without_operation_prevents_the_start() -> None:
    require_operations(Litestar([declared], openapi_config=None))
    with pytest.raises(UndeclaredOperation, match="/undeclared"):
        require_operations(Litestar([declared, undeclared], openapi_config=None))


async def test_both_prefixes_serve_the_same_record(acme: Tenant) -> None:
    created = await acme.http.post(
        "/api/external/v1/signals", json={"text": "The export fails.", "signalType": "review"}
    )
    assert created.status_code == 201
    signal = await acme.wait_until_processed(created.json()["id"])
    for prefix in ("", "/api"):
        path = f"{prefix}/external/v1/signals/{signal['publicId']}"
        assert (await acme.http.get(path)).json() == signal


async def test_responses_have_one_request_id_and_no_server_header(acme: Tenant) -> None:
    for path in ("/livez", "/external/v1/signals", "/v1/health", "/nothing", "/reference"):
        response = await acme.http.get(path)
        assert len(response.headers.get_list("X-Request-Id")) == 1
        assert "server" not in response.headers


async def test_options_returns_all_methods_of_a_path(acme: Tenant) -> None:
    for path, methods in (
        ("/external/v1/signals", "GET, HEAD, OPTIONS, POST"),
        ("/api/external/v1/signals/SIGNAL-1", "DELETE, GET, HEAD, OPTIONS, PATCH"),
        ("/v1/health", "GET, HEAD, OPTIONS"),
    ):
        response = await acme.http.options(path)
        assert (response.status_code, response.headers["Allow"]) == (204, methods)
        assert response.headers["X-Request-Id"]
    assert (await acme.http.options("/nothing")).status_code == 404


# --- logs -------------------------------------------------------------------------------------


@contextlib.contextmanager
def _configured_logging(log_format: Any) -> Iterator[io.StringIO]:
    """Configure logging as a process does. Yields what is written to standard error."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    written = io.StringIO()
    try:
        with contextlib.redirect_stderr(written):
            log_config.configure_logging("info", log_format)
            yield written
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()


def test_row_values_in_postgres_errors_are_not_logged() -> None:
    error = RuntimeError("refused\nDETAIL:  Failing row contains (a secret\nof two lines).")
    with _configured_logging("json") as written:
        structlog.get_logger().error("request_failed", exc_info=error)
    assert "refused" in written.getvalue()
    assert "secret" not in written.getvalue()
    assert "two lines" not in written.getvalue()


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_library_log_lines_have_the_format_of_our_own(log_format: str) -> None:
    with _configured_logging(log_format) as written:
        structlog.get_logger().info("ours", answer=42)
        structlog.get_logger().debug("below_the_level")
        logging.getLogger("some.library").warning("theirs")
    lines = written.getvalue().splitlines()
    assert len(lines) == 2
    if log_format == "json":
        ours, theirs = map(json.loads, lines)
        assert (ours["event"], ours["answer"], ours["level"]) == ("ours", 42, "info")
        assert (theirs["event"], theirs["level"]) == ("theirs", "warning")
        assert ours["timestamp"].endswith("Z")
    else:
        assert "ours" in lines[0]
        assert "theirs" in lines[1]
