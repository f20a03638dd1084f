"""Logging configuration, the same in every process.

Log lines contain ids, but no request bodies, texts or keys.
"""

import logging
import re
import sys
from collections.abc import Callable
from typing import Literal

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from domains.kernel.core import log_context
from domains.kernel.core.log_stream import LogStream, protect_standard_streams

# PostgreSQL's error details quote rows, which contain customers' texts.
_DETAIL = re.compile(r"\nDETAIL:.*?(?=\nHINT:|\n\n|\Z)", re.DOTALL)


def _redact_rows(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    if "exception" in event:
        event["exception"] = _DETAIL.sub("\nDETAIL: left out", str(event["exception"]))
    return event


def _encode_json(event: EventDict, **_options: object) -> str:
    return msgspec.json.encode(event, enc_hook=repr).decode()


def _never_raising(renderer: Processor) -> Callable[[WrappedLogger, str, EventDict], str]:
    """Render events with values that `renderer` refuses as JSON, with these values as ASCII text.

    Such values are texts with half of a surrogate pair, and objects whose `repr` raises.
    """

    def render(logger: WrappedLogger, method: str, event: EventDict) -> str:
        try:
            # A copy: a renderer may remove items before it fails.
            return str(renderer(logger, method, dict(event)))
        except Exception:  # noqa: BLE001 - whatever a value raises, the line is written
            return msgspec.json.encode(
                {_to_ascii(name): _to_ascii(value) for name, value in event.items()}
            ).decode()

    return render


def _to_ascii(value: object) -> str:
    try:
        text = value if isinstance(value, str) else repr(value)
        return text.encode("ascii", "backslashreplace").decode()
    except Exception:  # noqa: BLE001 - see above
        return f"<{type(value).__name__}>"


def configure_logging(level: str, log_format: Literal["json", "console"]) -> None:
    """Send the lines of structlog and of the standard library's loggers to standard error.

    No call of a logger raises because a line cannot be rendered or written: see `log_stream`.
    """
    protect_standard_streams()
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
    shared: list[Processor] = [
        log_context.add_to_event,
        structlog.stdlib.add_log_level,
        stamp,
        structlog.processors.format_exc_info,
        _redact_rows,
    ]
    renderer = _never_raising(
        structlog.processors.JSONRenderer(serializer=_encode_json)
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    if isinstance(stream := getattr(sys.stderr, "buffer", None), LogStream):

        def describe_dropped(lines: int) -> bytes:
            event = {"lines": lines, "event": "log_lines_dropped", "level": "warning"}
            return f"{renderer(None, '', stamp(None, '', event))}\n".encode()

        stream.describe_dropped = describe_dropped
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
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
