"""Pages of the documentation: their code, and the comparison of shown outputs with real ones.

In what is shown, a line `...` stands for any further members or lines, `...` within a line for any
characters, and a UUID or a time of a record for any other one. Everything else must be equal.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]

_FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ELISION: Final = "..."
_VARYING: Final = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z"
    r"|\d+/\d+/\d\d, \d+:\d\d [AP]M"
)


class Block(NamedTuple):
    """A fenced block: its language, its text, and the line of the page on which it begins."""

    language: str
    text: str
    line: int

    @property
    def calls_the_product(self) -> bool:
        """True for shell commands that need running servers; False for those that start them."""
        calls = "curl " in self.text or ".venv/bin/gateway " in self.text
        return self.language == "sh" and calls

    @property
    def shows_output(self) -> bool:
        """True for a block that shows what the block before it prints."""
        return self.language in ("json", "text")


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks_of(page: str) -> list[Block]:
    """The fenced blocks of a page, in order."""
    text = text_of(page)
    return [
        Block(found[1], found[2], text.count("\n", 0, found.start()) + 1)
        for found in _FENCE.finditer(text)
    ]


def code_of(page: str) -> list[str]:
    """Each line of the fenced blocks, continued lines joined, and each code span of the prose."""
    lines = [
        line
        for block in blocks_of(page)
        for line in re.sub(r"\\\n\s*", " ", block.text).splitlines()
    ]
    return lines + re.findall(r"`([^`]+)`", _FENCE.sub("", text_of(page)))


def anchors_of(page: Path) -> set[str]:
    """The anchors that the headings of a page get."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).strip().replace(" ", "-") for each in headings}


def differences(shown: Block, real: str) -> list[str]:
    """Each way in which a real output is not as the block shows it."""
    if shown.language == "text":
        return list(_text_differences(shown.text, real))
    return list(_json_differences(_parsed(shown.text), json.loads(real)))


def _parsed(shown: str) -> Any:
    """The shown JSON, with a member named `...` for each line of three dots."""

    def member(found: re.Match[str]) -> str:
        opened: list[str] = []
        before = re.sub(r'"(?:[^"\\]|\\.)*"', "", found.string[: found.start()])
        for bracket in re.findall(r"[][{}]", before):
            if bracket in "[{":
                opened.append(bracket)
            else:
                opened.pop()
        comma = "" if re.match(r"\s*[]}]", found.string[found.end() :]) else ","
        return ('"...": null' if opened[-1] == "{" else '"..."') + comma

    return json.loads(re.sub(r"^\s*\.\.\.$", member, shown, flags=re.MULTILINE))


def _is_same(shown: str, real: str) -> bool:
    parts = _VARYING.sub("*", shown).split(_ELISION)
    pattern = ".*".join(map(re.escape, parts))
    return re.fullmatch(pattern, _VARYING.sub("*", real), re.DOTALL) is not None


def _json_differences(shown: Any, real: Any, at: str = "$") -> Iterator[str]:
    if isinstance(shown, dict) and isinstance(real, dict):
        names = shown.keys() - {_ELISION}
        yield from (f"{at}.{name} is shown only" for name in sorted(names - real.keys()))
        if _ELISION not in shown:
            yield from (f"{at}.{name} is not shown" for name in sorted(real.keys() - names))
        for name in sorted(names & real.keys()):
            yield from _json_differences(shown[name], real[name], f"{at}.{name}")
    elif isinstance(shown, list) and isinstance(real, list):
        items = [each for each in shown if each != _ELISION]
        if len(items) > len(real) or (len(items) < len(real) and _ELISION not in shown):
            yield f"{at} has {len(real)} items, shown are {len(items)}"
        for number, (one, other) in enumerate(zip(items, real, strict=False)):
            yield from _json_differences(one, other, f"{at}[{number}]")
    elif isinstance(shown, str) and isinstance(real, str):
        if not _is_same(shown, real):
            yield f"{at} is {real!r}, shown is {shown!r}"
    elif type(shown) is not type(real) or shown != real:
        yield f"{at} is {real!r}, shown is {shown!r}"


def _text_differences(shown: str, real: str) -> Iterator[str]:
    rest = real.strip().splitlines()
    skips = False
    for line in shown.strip().splitlines():
        if line.strip() == _ELISION:
            skips = True
            continue
        place = next((at for at, each in enumerate(rest) if _is_same(line, each.rstrip())), None)
        if place is None or (place > 0 and not skips):
            yield f"{line!r} is not printed there; printed is {rest[:5]}"
            return
        rest, skips = rest[place + 1 :], False
    if rest and not skips:
        yield f"{rest[:5]} is not shown"
