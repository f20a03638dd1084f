"""The documentation against the product: commands, answers, options, settings and links.

The pages of EXECUTED are followed as a reader would: their `sh` blocks that call the API or the
`gateway` command run in order, in one shell for each page, against the running stack. The `json` or
`text` block after such a block shows its output. In what is shown, a line `...` stands for any
further members or lines, `...` within a line for any characters, and a UUID or a time for any other
one; everything else must be as in the real output.
"""

import asyncio
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
import pytest

from domains.kernel import settings
from domains.kernel.keys import SCOPES, UNLIMITED, LimitChoice
from domains.kernel.problems import Problem
from gateway.cli import cli
from gateway.local import runfile
from tests.conftest import MakeTenant
from tests.stack import PATIENCE, Stack, Tenant

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = sorted(page.relative_to(ROOT).as_posix() for page in (ROOT / "docs").glob("*.md"))
PAGES: Final = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", *DOCS]
# What a user reads; the other pages may name commands of former versions.
GUIDES: Final = ["README.md", *DOCS]
EXECUTED: Final = [
    "README.md",
    "docs/quickstart-discovery.md",
    "docs/quickstart-revenue.md",
    "docs/importing.md",
    "docs/errors-limits-pagination.md",
]
# As the pages write them; the real ones take their places.
BASE_URL: Final = "http://127.0.0.1:8000"
WORKSPACE: Final = "--workspace Demo"

_END: Final = "----- end of block -----"
_ELISION: Final = "..."


class Block(NamedTuple):
    """A fenced block: its language, its text, and the line of the page on which it begins."""

    language: str
    text: str
    line: int

    @property
    def calls_the_product(self) -> bool:
        """Runs against servers that are up, as opposed to blocks that start them."""
        calls = "curl " in self.text or ".venv/bin/gateway " in self.text
        return self.language == "sh" and calls and not re.search(r"^make\b", self.text, re.M)


def _text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def _blocks(page: str) -> list[Block]:
    text = _text(page)
    return [
        Block(found[1], found[2], text.count("\n", 0, found.start()) + 1)
        for found in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S)
    ]


def _code(page: str) -> list[str]:
    """Each line of the fenced blocks, continued ones joined, and each code span of the prose."""
    lines = [
        line
        for block in _blocks(page)
        for line in re.sub(r"\\\n\s*", " ", block.text).splitlines()
    ]
    prose = re.sub(r"^```.*?^```$", "", _text(page), flags=re.M | re.S)
    return lines + re.findall(r"`([^`]+)`", prose)


# --- what is shown is what is answered --------------------------------------------------------


def _parsed(shown: str) -> Any:
    """The shown JSON, with a member named `...` where a line of three dots leaves some out."""

    def member(found: re.Match[str]) -> str:
        opened: list[str] = []
        for bracket in re.findall(r"[][{}]", re.sub(r'"(?:[^"\\]|\\.)*"', "", found.string[: found.start()])):
            opened.append(bracket) if bracket in "[{" else opened.pop()
        comma = "" if re.match(r"\s*[]}]", found.string[found.end() :]) else ","
        return ('"...": null' if opened[-1] == "{" else '"..."') + comma

    return json.loads(re.sub(r"^\s*\.\.\.$", member, shown, flags=re.M))


_VARYING: Final = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z"
    r"|\d+/\d+/\d\d, \d+:\d\d [AP]M"
)


def _same(shown: str, real: str) -> bool:
    """Equal but for ids and times, with `...` for anything."""
    parts = _VARYING.sub("*", shown).split(_ELISION)
    return bool(re.fullmatch(".*".join(map(re.escape, parts)), _VARYING.sub("*", real), re.S))


def _json_differences(shown: Any, real: Any, at: str = "$") -> Iterator[str]:
    """Where a real answer is not as the page shows it."""
    if isinstance(shown, dict) and isinstance(real, dict):
        names = shown.keys() - {_ELISION}
        extra = set() if _ELISION in shown else real.keys() - names
        for name in sorted((names - real.keys()) | extra):
            yield f"{at}.{name} is {'shown only' if name in names else 'not shown'}"
        for name in sorted(names & real.keys()):
            yield from _json_differences(shown[name], real[name], f"{at}.{name}")
    elif isinstance(shown, list) and isinstance(real, list):
        whole = _ELISION not in shown
        items = [each for each in shown if each != _ELISION]
        if len(items) > len(real) or (whole and len(items) < len(real)):
            yield f"{at} has {len(real)} items, shown are {len(items)}"
        for number, (one, other) in enumerate(zip(items, real, strict=False)):
            yield from _json_differences(one, other, f"{at}[{number}]")
    elif isinstance(shown, str) and isinstance(real, str):
        if not _same(shown, real):
            yield f"{at} is {real!r}, shown is {shown!r}"
    elif type(shown) is not type(real) or shown != real:
        yield f"{at} is {real!r}, shown is {shown!r}"


def _text_differences(shown: str, real: str) -> Iterator[str]:
    """The shown lines that are not among the real ones, in their order."""
    rest = real.strip().splitlines()
    skipping = False
    for line in shown.strip().splitlines():
        if line.strip() == _ELISION:
            skipping = True
            continue
        place = next((at for at, each in enumerate(rest) if _same(line, each.rstrip())), None)
        if place is None or (place and not skipping):
            yield f"{line!r} is not printed there; what is left: {rest[:5]}"
            return
        rest, skipping = rest[place + 1 :], False
    if rest and not skipping:
        yield f"not shown: {rest[:5]}"


def _differences(shown: Block, real: str) -> list[str]:
    if shown.language == "text":
        return list(_text_differences(shown.text, real))
    return list(_json_differences(_parsed(shown.text), json.loads(real)))


ID: Final = "01a22896-55de-72dd-9098-06aa9b91008b"


@pytest.mark.parametrize(
    ("language", "shown", "real", "same"),
    [
        ("json", f'{{"id": "{ID}", "n": 1}}', f'{{"n": 1, "id": "{ID.replace("a", "b")}"}}', True),
        ("json", '{"id": "x"}', f'{{"id": "{ID}"}}', False),
        ("json", '{"a": 1}', '{"a": 1, "b": 2}', False),
        ("json", '{"a": 1, "b": 2}', '{"a": 1}', False),
        ("json", '{\n"a": 1,\n...\n}', '{"a": 1, "b": 2}', True),
        ("json", '{\n...\n"b": 2\n}', '{"a": 1, "b": 2}', True),
        ("json", '{\n"a": 2,\n...\n}', '{"a": 1, "b": 2}', False),
        ("json", '{"a": null}', '{"a": "x"}', False),
        ("json", '{"a": 1}', '{"a": true}', False),
        ("json", "[1]", "[1, 2]", False),
        ("json", "[\n1,\n...\n]", "[1, 2]", True),
        ("json", '{"a": "one ... three"}', '{"a": "one two three"}', True),
        ("json", '{"a": "one ... three"}', '{"a": "one two four"}', False),
        ("text", "a\nb\n", "a\nb\n", True),
        ("text", "a\n", "a\nb\n", False),
        ("text", "a\n...\nc\n", "a\nb\nc\n", True),
        ("text", "a\n...\nd\n", "a\nb\nc\n", False),
        ("text", "b\n", "a\nb\n", False),
    ],
)
def test_a_shown_output_is_compared(language: str, shown: str, real: str, same: bool) -> None:
    assert (_differences(Block(language, shown, 1), real) == []) is same


async def _follow(blocks: list[Block], folder: Path, stack: Stack, tenant: Tenant) -> list[str]:
    """Run the blocks in one shell, in a folder that looks like a clone; what each prints."""
    script = "set -eu\n"
    for block in blocks:
        text = block.text.replace(BASE_URL, stack.base_url)
        script += text.replace(WORKSPACE, f"--workspace {tenant.name}") + f"echo; echo '{_END}'\n"
    _look_like_a_clone(folder, stack)
    shell = await asyncio.create_subprocess_exec(
        *("bash", "-c", script),
        cwd=folder,
        env={**os.environ, "KEY": tenant.key, "COLUMNS": "100"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            printed, complained = await shell.communicate()
    finally:
        if shell.returncode is None:
            shell.kill()
            await shell.wait()
    outputs = printed.decode().split(f"{_END}\n")
    if shell.returncode != 0:
        failed = blocks[len(outputs) - 1]
        pytest.fail(f"line {failed.line}:\n{failed.text}{outputs[-1]}{complained.decode()}")
    return [each.replace(tenant.name, "Demo") for each in outputs[:-1]]


def _look_like_a_clone(folder: Path, stack: Stack) -> None:
    (folder / ".venv").mkdir()
    (folder / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    (folder / "examples").symlink_to(ROOT / "examples")
    # As `make run` leaves it for the `gateway` command.
    (folder / ".data").mkdir()
    urls = {name: stack.env[name.upper()] for name in ("database_url", "redis_url", "blob_url")}
    runfile.write(folder / ".data", {**urls, "api_url": stack.base_url})


@pytest.fixture
async def warm(make_tenant: MakeTenant) -> None:
    """The worker has analysed a text: the pages' own loops wait for seconds only."""
    tenant = await make_tenant()
    await tenant.processed((await tenant.signal())["id"])


@pytest.mark.usefixtures("warm")
@pytest.mark.parametrize("page", EXECUTED)
async def test_a_page_can_be_followed_and_shows_real_outputs(
    page: str, stack: Stack, make_tenant: MakeTenant, tmp_path: Path
) -> None:
    # The limits of a new key where a page shows them; no limits where this is faster than a reader.
    shows_limits = "X-RateLimit" in _text(page)
    tenant = await make_tenant(limits=LimitChoice() if shows_limits else UNLIMITED)
    blocks = _blocks(page)
    called = [block for block in blocks if block.calls_the_product]
    assert called
    printed = await _follow(called, tmp_path, stack, tenant)
    outputs = dict(zip(called, printed, strict=True))
    differences = []
    last: Block | None = None
    for block in blocks:
        if block.language in ("json", "text"):
            assert last in outputs, f"line {block.line}: shows the output of no call"
            differences += [
                f"line {block.line}: {each}" for each in _differences(block, outputs[last])
            ]
        last = block
    assert differences == []


# --- commands, targets, settings --------------------------------------------------------------


def _commands(group: click.Group, name: str) -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, by its full name."""
    for each, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _commands(command, f"{name} {each}")
        else:
            yield f"{name} {each}", command


def _options(command: click.Command) -> set[str]:
    return {
        name
        for parameter in command.params
        for name in (*parameter.opts, *parameter.secondary_opts)
        if name.startswith("--")
    }


COMMANDS: Final = dict(_commands(cli, "gateway"))


def _unknown(mention: str) -> str | None:
    """What of a mentioned `gateway ...` does not exist."""
    command: click.Command = cli
    words = mention.split()[1:]
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        if words[0] not in command.commands:
            return words[0]
        command = command.commands[words.pop(0)]
    known = _options(command) | {"--help", "--version"}
    return next((each for each in re.findall(r"--[a-z-]+", mention) if each not in known), None)


@pytest.mark.parametrize("page", GUIDES)
def test_every_mentioned_command_and_option_exists(page: str) -> None:
    mentions = [
        found[0]
        for code in _code(page)
        for found in re.finditer(r"(?<![\w/-])(?:\.venv/bin/)?gateway(?: [^|;&>()#]*)?", code)
    ]
    assert {each: wrong for each in mentions if (wrong := _unknown(each))} == {}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_section_with_exactly_its_options(name: str) -> None:
    section = re.search(rf"^### `{name}`\n(.*?)(?=^##|\Z)", _text("docs/cli.md"), re.M | re.S)
    assert section is not None
    listed = re.findall(r"^\| `(--[a-z-]+)", section[1], re.M)
    assert sorted(listed) == sorted(_options(COMMANDS[name]))


def test_every_section_of_the_cli_page_is_a_command() -> None:
    assert set(re.findall(r"^### `(gateway [^`]+)`", _text("docs/cli.md"), re.M)) == set(COMMANDS)


def _targets() -> set[str]:
    (phony,) = re.findall(r"^\.PHONY: (.*)", _text("Makefile"), re.M)
    return set(phony.split())


@pytest.mark.parametrize("page", GUIDES)
def test_every_mentioned_make_target_exists(page: str) -> None:
    named = {found[1] for code in _code(page) if (found := re.match(r"\$? ?make (\w+)", code))}
    assert named <= _targets()


def test_every_make_target_is_documented() -> None:
    named = {found[1] for code in _code("docs/development.md") if (found := re.match(r"make (\w+)", code))}
    assert named == _targets()


def test_every_setting_is_documented_with_its_default() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.*?) \|", _text("docs/configuration.md"), re.M)
    documented = {name: default.strip("`") for name, default in rows}
    assert len(documented) == len(rows)
    assert documented == {
        each.name: "required" if each.default is None else each.default or "not set"
        for each in settings.listed()
    }


@pytest.mark.parametrize("page", GUIDES)
def test_every_mentioned_setting_exists(page: str) -> None:
    known = {each.name for each in settings.listed()}
    assert set(re.findall(r"\bGATEWAY_[A-Z_]+", _text(page))) <= known


def test_every_scope_and_every_kind_of_problem_is_documented() -> None:
    security = _text("docs/security.md")
    assert [each for each in SCOPES if f"`{each}`" not in security] == []
    errors = re.findall(r"^\| (\d{3}) \| `(\w+)` \|", _text("docs/errors-limits-pagination.md"), re.M)
    raised = {(str(each.status), each.code) for each in _subclasses(Problem)}
    assert raised == set(errors)


def _subclasses(of: type[Problem]) -> Iterator[type[Problem]]:
    for each in of.__subclasses__():
        yield each
        yield from _subclasses(each)


# --- links ------------------------------------------------------------------------------------


def _anchors(page: Path) -> set[str]:
    """The anchors that the headings of a page get."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", each.lower()).strip().replace(" ", "-") for each in headings}


@pytest.mark.parametrize("page", PAGES)
def test_links_of_the_pages_lead_somewhere(page: str) -> None:
    broken = []
    for target, anchor in re.findall(r"\]\((?!\w+:)([^)#]*)(?:#([^)]*))?\)", _text(page)):
        found = (ROOT / page).parent / target if target else ROOT / page
        if not found.exists() or (anchor and anchor not in _anchors(found)):
            broken.append(f"{target}#{anchor}")
    assert broken == []


def test_every_page_is_in_the_index_of_the_readme() -> None:
    linked = re.findall(r"\]\((docs/[^)#]+\.md)", _text("README.md"))
    assert sorted({*linked}) == DOCS
