"""Log lines that cannot be written are dropped and counted, and no log call raises."""

import contextlib
import io
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any, Final

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from domains.kernel.core import log_config
from domains.kernel.core.log_stream import LogStream


@contextlib.contextmanager
def _pipe(*, blocking: bool = False) -> Iterator[tuple[int, int]]:
    """Read end and write end of a pipe. The block may close them."""
    ends = os.pipe()
    for end in ends:
        os.set_blocking(end, blocking)
    try:
        yield ends
    finally:
        for end in ends:
            with contextlib.suppress(OSError):
                os.close(end)


def _fill(write_end: int) -> None:
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(write_end, b"x" * 1000)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(write_end, b"x")


def _drain(read_end: int) -> bytes:
    parts = []
    with contextlib.suppress(BlockingIOError):
        while part := os.read(read_end, 1 << 20):
            parts.append(part)
    return b"".join(parts)


def test_dropped_lines_are_counted_when_writing_works_again() -> None:
    with _pipe() as (read_end, write_end):
        stream = LogStream(write_end)
        _fill(write_end)
        for number in range(3):
            assert stream.write(b"lost %d\n" % number) == 7
        _drain(read_end)
        stream.write(b"kept\n")
        stream.write(b"also kept\n")
        assert _drain(read_end) == b"3 lines could not be written here.\nkept\nalso kept\n"


def test_a_line_of_which_a_part_was_written_is_dropped_and_ends_with_a_newline() -> None:
    with _pipe() as (read_end, write_end):
        stream = LogStream(write_end)
        # More than the pipe holds.
        stream.write(b"y" * 5_000_000 + b"\n")
        assert set(_drain(read_end)) == {ord("y")}
        stream.write(b"kept\n")
        assert _drain(read_end) == b"\n1 lines could not be written here.\nkept\n"


def test_lines_of_several_threads_are_whole_and_none_is_counted_twice() -> None:
    with _pipe() as (read_end, write_end):
        stream = LogStream(write_end)
        received: list[bytes] = []
        done = threading.Event()

        def write(name: int) -> None:
            for _ in range(2_000):
                stream.write(b"%d" % name * 100 + b"\n")

        def read() -> None:
            while not done.is_set():
                received.append(_drain(read_end))

        writers = [threading.Thread(target=write, args=(name,)) for name in range(1, 5)]
        reader = threading.Thread(target=read)
        for thread in (reader, *writers):
            thread.start()
        for thread in writers:
            thread.join()
        done.set()
        reader.join()
        received.append(_drain(read_end))
        stream.write(b"last\n")
        received.append(_drain(read_end))
        lines = b"".join(received).splitlines()
        reports = [line for line in lines if b"could not" in line]
        dropped = sum(int(report.split()[0]) for report in reports)
        whole = [line for line in lines if len(line) == 100 and len(set(line)) == 1]
        assert len(whole) + dropped == 8_000
        assert lines[-1] == b"last"


@pytest.mark.parametrize("gone", ["reader", "descriptor"])
def test_writing_without_a_reader_or_a_descriptor_raises_nothing(gone: str) -> None:
    with _pipe() as (read_end, write_end):
        stream = LogStream(write_end)
        os.close(read_end if gone == "reader" else write_end)
        assert stream.write(b"lost\n") == 5


# --- loggers ----------------------------------------------------------------------------------


class _Hostile:
    def __repr__(self) -> str:
        raise RuntimeError("no text")

    __str__ = __repr__


_VALUES: Final = st.recursive(
    st.one_of(
        st.none(),
        st.floats(),
        st.integers(),
        st.binary(),
        st.sampled_from(["text", "\ud83d", "\0", "%s", "{}"]),  # also half of a surrogate pair
        st.builds(_Hostile),
        st.sets(st.builds(_Hostile), min_size=1),
    ),
    lambda inner: st.one_of(
        st.lists(inner), st.dictionaries(st.sampled_from(["name", None, "\ud83d"]), inner)
    ),
    max_leaves=5,
)


@contextlib.contextmanager
def _logging_to(stream: Any, log_format: Any) -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        with contextlib.redirect_stderr(stream):
            log_config.configure_logging("info", log_format)
            yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()


@pytest.mark.parametrize("log_format", ["json", "console"])
@given(value=_VALUES)
def test_no_value_makes_a_log_call_raise(log_format: str, value: object) -> None:
    written = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace")
    with _logging_to(written, log_format):
        structlog.get_logger().info("an event", value=value)
        logging.getLogger("a.library").warning("an event: %s", 1, extra={"value": value})
        structlog.get_logger().error("an event", exc_info=ValueError(value))
    written.seek(0)
    assert written.read().count("an event") >= 3


def test_a_value_without_a_json_form_is_written_as_ascii_text() -> None:
    written = io.StringIO()
    with _logging_to(written, "json"):
        structlog.get_logger().info("an event", text="\ud83d", hostile=_Hostile())
    line = json.loads(written.getvalue())
    assert (line["event"], line["text"], line["hostile"]) == ("an event", "\\ud83d", "<_Hostile>")


# --- processes --------------------------------------------------------------------------------

_PROGRAM: Final = """
import logging, sys, structlog
from domains.kernel.core.log_config import configure_logging
configure_logging("info", sys.argv[1])
for _ in range(50):
    structlog.get_logger().info("a line", text="x" * 1000)
    logging.getLogger("a.library").warning("%d", "not a number")
    print("a line", file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("log_format", "redirection"),
    [("json", "2>/dev/full"), ("console", "2>&-"), ("json", "0<&- 1>&- 2>&-")],
)
def test_a_process_without_standard_error_ends_with_code_0(
    log_format: str, redirection: str
) -> None:
    script = f'exec "$0" -c "$1" {log_format} {redirection}'
    ended = subprocess.run(
        ["sh", "-c", script, sys.executable, _PROGRAM], check=False, capture_output=True, timeout=60
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")


def test_closed_standard_descriptors_are_the_null_device() -> None:
    program = (
        "import os\n"
        "from domains.kernel.core.log_stream import protect_standard_streams\n"
        "protect_standard_streams()\n"
        "assert os.open('/', os.O_RDONLY) > 2\n"
        "assert {os.readlink(f'/proc/self/fd/{n}') for n in range(3)} == {'/dev/null'}\n"
        "assert all(map(os.get_inheritable, range(3)))\n"
    )
    ended = subprocess.run(
        ["sh", "-c", 'exec "$0" -c "$1" 0<&- 1>&- 2>&-', sys.executable, program],
        check=False,
        timeout=60,
    )
    assert ended.returncode == 0
