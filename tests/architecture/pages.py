"""Markdown pages: their code, paths and long lines, and the comparison of shown and real outputs.

In a shown output, a line `...` matches any further members or lines. `...` within a line matches
any characters. Every UUID matches every other one, as do times of records. The rest must be equal.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]

_FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ELLIPSIS: Final = "..."
_VARYING: Final = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z"
    r"|\d+/\d+/\d\d, \d+:\d\d [AP]M"
)
_PATH: Final = re.compile(r"\w[\w.-]*(?:/[\w.-]+)*/?")
_FILE_SUFFIXES: Final = (".md", ".py", ".toml", ".txt")
_MAX_LINE: Final = 100


class Block(NamedTuple):
    """A fenced block: its language, its text, and the line of the page on which it begins."""

    language: str
    text: str
    line: int

    @property
    def calls_servers(self) -> bool:
        """Return True if the block has shell commands that need running servers."""
        calls = "curl " in self.text or ".venv/bin/gateway " in self.text
        return self.language == "sh" and calls

    @property
    def shows_output(self) -> bool:
        """True for a block that shows the output of the block before it."""
        return self.language in ("json", "text")


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks_of(page: str) -> list[Block]:
    """The fenced blocks of a page, in order."""
    text = text_of(page)
    return [
        Block(match[1], match[2], text.count("\n", 0, match.start()) + 1)
        for match in _FENCE.finditer(text)
    ]


def code_spans_of(page: str) -> list[str]:
    """Code spans of the text outside code blocks."""
    return re.findall(r"`([^`]+)`", _FENCE.sub("", text_of(page)))


def code_of(page: str) -> list[str]:
    """Each line of the fenced blocks, with continued lines joined, and each code span."""
    lines = [
        line
        for block in blocks_of(page)
        for line in re.sub(r"\\\n\s*", " ", block.text).splitlines()
    ]
    return lines + code_spans_of(page)


def missing_paths(page: str) -> list[str]:
    """The paths of this repository in code spans that do not exist.

    A path begins with a directory of the root or ends in a suffix of our files. It is relative to
    the root or to the page.
    """
    # `build` has what a target of make generated.
    directories = {path.name for path in ROOT.iterdir() if path.is_dir()} - {"build"}
    return [
        span
        for span in code_spans_of(page)
        if _PATH.fullmatch(span)
        and (span.split("/")[0] in directories or span.endswith(_FILE_SUFFIXES))
        and not (ROOT / span).exists()
        and not ((ROOT / page).parent / span).exists()
    ]


def long_lines(page: str) -> list[int]:
    """Numbers of the lines over 100 characters, except in code blocks and tables."""
    without_code = _FENCE.sub(lambda match: "\n" * match[0].count("\n"), text_of(page))
    return [
        number
        for number, line in enumerate(without_code.splitlines(), 1)
        if len(line) > _MAX_LINE and not line.lstrip().startswith("|")
    ]


def anchors_of(page: Path) -> set[str]:
    """The anchors of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-") for text in headings}


def differences(shown: Block, real: str) -> list[str]:
    """Each difference between the output that a block shows and a real output."""
    if shown.language == "text":
        return list(_text_differences(shown.text, real))
    return list(_json_differences(_parse(shown.text), json.loads(real)))


def _parse(shown: str) -> Any:
    """Parse shown JSON. Each line `...` becomes a member named `...` or an item `...`."""

    def member(match: re.Match[str]) -> str:
        opened: list[str] = []
        before = re.sub(r'"(?:[^"\\]|\\.)*"', "", match.string[: match.start()])
        for bracket in re.findall(r"[][{}]", before):
            if bracket in "[{":
                opened.append(bracket)
            else:
                opened.pop()
        comma = "" if re.match(r"\s*[]}]", match.string[match.end() :]) else ","
        return ('"...": null' if opened[-1] == "{" else '"..."') + comma

    return json.loads(re.sub(r"^\s*\.\.\.$", member, shown, flags=re.MULTILINE))


def _is_same(shown: str, real: str) -> bool:
    parts = _VARYING.sub("*", shown).split(_ELLIPSIS)
    pattern = ".*".join(map(re.escape, parts))
    return re.fullmatch(pattern, _VARYING.sub("*", real), re.DOTALL) is not None


def _json_differences(shown: Any, real: Any, path: str = "$") -> Iterator[str]:
    if isinstance(shown, dict) and isinstance(real, dict):
        names = shown.keys() - {_ELLIPSIS}
        yield from (f"{path}.{name} is shown only" for name in sorted(names - real.keys()))
        if _ELLIPSIS not in shown:
            yield from (f"{path}.{name} is not shown" for name in sorted(real.keys() - names))
        for name in sorted(names & real.keys()):
            yield from _json_differences(shown[name], real[name], f"{path}.{name}")
    elif isinstance(shown, list) and isinstance(real, list):
        items = [item for item in shown if item != _ELLIPSIS]
        if len(items) > len(real) or (len(items) < len(real) and _ELLIPSIS not in shown):
            yield f"{path} has {len(real)} items, shown are {len(items)}"
        for index, (shown_item, real_item) in enumerate(zip(items, real, strict=False)):
            yield from _json_differences(shown_item, real_item, f"{path}[{index}]")
    elif isinstance(shown, str) and isinstance(real, str):
        if not _is_same(shown, real):
            yield f"{path} is {real!r}, shown is {shown!r}"
    elif type(shown) is not type(real) or shown != real:
        yield f"{path} is {real!r}, shown is {shown!r}"


def _text_differences(shown: str, real: str) -> Iterator[str]:
    remaining = real.strip().splitlines()
    skips = False
    for line in shown.strip().splitlines():
        if line.strip() == _ELLIPSIS:
            skips = True
            continue
        index = next((i for i, text in enumerate(remaining) if _is_same(line, text.rstrip())), None)
        if index is None or (index > 0 and not skips):
            yield f"{line!r} is not printed there; printed is {remaining[:5]}"
            return
        remaining, skips = remaining[index + 1 :], False
    if remaining and not skips:
        yield f"{remaining[:5]} is not shown"
