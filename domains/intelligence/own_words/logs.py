"""Code, logs, stack traces and quotes in the notation of trackers: nobody's own words."""

import re
from collections.abc import Iterator
from typing import Final

from domains.intelligence.own_words.mail.lines import merged
from domains.intelligence.text.marks import Span

_FENCE: Final = re.compile(r"^[ \t]{0,3}(?P<fence>`{3,}|~{3,})[^\n]*$", re.MULTILINE)
_WIKI_BLOCK: Final = re.compile(r"\{(?P<fence>code|noformat|quote)(?::[^{}\n]{1,60})?\}")
_LEVEL: Final = r"(?:TRACE|DEBUG|INFO|WARN|WARNING|ERROR|FATAL|CRITICAL)"
_LOG_LINE: Final = re.compile(
    r"^[ \t>]*(?:"
    # Lines with a time or a level.
    rf"\[?\d{{4}}-\d\d-\d\d[T ]\d\d:\d\d\S*\s+\[?{_LEVEL}"
    r"|\[(?:trace|debug|info|warn|warning|error|fatal)\]\s"
    rf"|{_LEVEL}\s+\[?[\w.:/-]+\]?\s"
    # Frames and heads of stack traces.
    r"|at [\w.$<>/]+\([^()\n]{0,120}\)\s*$"
    r"|File \"[^\"\n]{1,200}\", line \d+"
    r"|Traceback \(most recent"
    r"|Caused by: [\w$]+\.[\w$.]+|\.\.\. \d{1,4} (?:more|common frames)"
    # Lines of syslog.
    r"|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S{1,60} [\w./-]{1,60}(?:\[\d{1,9}\])?:"
    r"|(?:[\w$]+\.){2,}[\w$]*(?:Exception|Error)\b"
    r")[^\n]*$",
    re.MULTILINE,
)


def log_spans(text: str) -> list[Span]:
    """Return the spans of fenced blocks, log lines and stack traces, sorted and disjoint.

    Returns none if nothing else would be left.
    """
    fences = merged([*_fences(text, _FENCE), *_fences(text, _WIKI_BLOCK)])
    spans = list(fences)
    at = 0
    for line in _LOG_LINE.finditer(text):
        while at < len(fences) and fences[at][1] <= line.start():
            at += 1
        if at == len(fences) or line.end() <= fences[at][0]:
            spans.append(line.span())
    spans.sort()
    left = len(text) - sum(end - start for start, end in spans)
    return spans if left and any(map(str.isalpha, _rest(text, spans))) else []


def _fences(text: str, mark: re.Pattern[str]) -> Iterator[Span]:
    opened: re.Match[str] | None = None
    for fence in mark.finditer(text):
        if opened is None:
            opened = fence
        elif fence["fence"].startswith(opened["fence"]):
            yield opened.start(), fence.end()
            opened = None


def _rest(text: str, spans: list[Span]) -> Iterator[str]:
    """Iterate over the characters outside the spans."""
    at = 0
    for start, end in spans:
        yield from text[at:start]
        at = end
    yield from text[at:]
