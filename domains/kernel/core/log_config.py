"""Logging configuration, the same in every process.

Log lines contain ids, but no request bodies, texts or keys.
"""

import logging
import re
import sys
from typing import Literal

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from domains.kernel.core import log_context

# PostgreSQL's error details quote rows, which contain customers' texts.
_DETAIL = re.compile(r"\nDETAIL:.*?(?=\nHINT:|\n\n|\Z)", re.DOTALL)


def _redact_rows(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    if "exception" in event:
        event["exception"] = _DETAIL.sub("\nDETAIL: left out", str(event["exception"]))
    return event


def _encode_json(event: EventDict, **_options: object) -> str:
    return msgspec.json.encode(event, enc_hook=repr).decode()


def configure_logging(level: str, log_format: Literal["json", "console"]) -> None:
    """Send the lines of structlog and of the standard library's loggers to standard error."""
    shared: list[Processor] = [
        log_context.add_to_event,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _redact_rows,
    ]
    renderer: Processor = (
        structlog.processors.JSONRenderer(serializer=_encode_json)
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Below warning level these repeat our own lines, or log SQL statements and addresses.
    for name in ("asyncio", "dramatiq", "httpx", "httpcore", "uvicorn", "alembic.runtime"):
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
