"""The application as a whole: it starts only complete, and serves both prefixes alike."""

import io
import json
import logging
import sys
from contextlib import redirect_stderr
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


@get("/forgotten")
async def forgotten() -> None:
    return


def test_a_handler_without_a_scope_stops_the_start() -> None:
    require_operations(Litestar([declared], openapi_config=None))
    with pytest.raises(UndeclaredOperation, match="/forgotten"):
        require_operations(Litestar([declared, forgotten], openapi_config=None))


async def test_the_second_prefix_serves_the_same(acme: Tenant) -> None:
    created = await acme.http.post(
        "/api/external/v1/signals", json={"text": "The export fails.", "signalType": "review"}
    )
    assert created.status_code == 201
    signal = await acme.wait_until_processed(created.json()["id"])
    for prefix in ("", "/api"):
        path = f"{prefix}/external/v1/signals/{signal['publicId']}"
        assert (await acme.http.get(path)).json() == signal


async def test_every_answer_has_one_request_id_and_names_no_server(acme: Tenant) -> None:
    for path in ("/livez", "/external/v1/signals", "/v1/health", "/nothing", "/reference"):
        answer = await acme.http.get(path)
        assert len(answer.headers.get_list("X-Request-Id")) == 1
        assert "server" not in answer.headers


async def test_options_tells_every_method_of_a_path(acme: Tenant) -> None:
    for path, methods in (
        ("/external/v1/signals", "GET, OPTIONS, POST"),
        ("/api/external/v1/signals/SIGNAL-1", "DELETE, GET, OPTIONS, PATCH"),
        ("/v1/health", "GET, OPTIONS"),
    ):
        answer = await acme.http.options(path)
        assert (answer.status_code, answer.headers["Allow"]) == (204, methods)
        assert answer.headers["X-Request-Id"]
    assert (await acme.http.options("/nothing")).status_code == 404


def test_a_row_that_postgres_quotes_is_not_logged() -> None:
    written = io.StringIO()
    before = logging.getLogger().handlers[:], logging.getLogger().level
    try:
        with redirect_stderr(written):
            log_config.configure_logging("info", "json")
            refused = RuntimeError(
                "refused\nDETAIL:  Failing row contains (a secret\nof two lines)."
            )
            structlog.get_logger().error("unexpected_error", exc_info=refused)
    finally:
        logging.getLogger().handlers[:], level = before
        logging.getLogger().setLevel(level)
        structlog.reset_defaults()
    assert "refused" in written.getvalue()
    assert "secret" not in written.getvalue()
    assert "two lines" not in written.getvalue()


@pytest.mark.parametrize("form", ["json", "console"])
def test_logs_are_json_or_text_for_our_lines_and_the_libraries(form: Any) -> None:
    before = logging.getLogger().handlers[:], logging.getLogger().level
    written = io.StringIO()
    try:
        with redirect_stderr(written):
            log_config.configure_logging("info", form)
            structlog.get_logger().info("ours", answer=42)
            structlog.get_logger().debug("too_quiet")
            logging.getLogger("some.library").warning("theirs")
    finally:
        logging.getLogger().handlers[:], level = before
        logging.getLogger().setLevel(level)
        structlog.reset_defaults()
    lines = written.getvalue().splitlines()
    assert len(lines) == 2
    assert sys.stderr is not written
    if form == "json":
        ours, theirs = map(json.loads, lines)
        assert (ours["event"], ours["answer"], ours["level"]) == ("ours", 42, "info")
        assert (theirs["event"], theirs["level"]) == ("theirs", "warning")
        assert ours["timestamp"].endswith("Z")
    else:
        assert "ours" in lines[0]
        assert "theirs" in lines[1]
