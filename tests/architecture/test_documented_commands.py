"""The documentation against the product: commands, outputs, options, settings and links.

The pages of EXECUTED are followed as a reader would: their `sh` blocks that call the API or the
`gateway` command run in order, in one shell per page, against the running stack. The `json` or
`text` block after such a block shows its output; `pages` compares it with the real one.
"""

import asyncio
import itertools
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
import pytest

from domains.kernel.core import problems, settings
from domains.kernel.core.problems import Problem
from domains.kernel.tenancy.api_keys import SCOPES, UNLIMITED, LimitChoice
from gateway.cli.main import cli
from gateway.embedded import runfile
from gateway.files import RangeNotSatisfiable
from tests.architecture.pages import (
    ROOT,
    Block,
    anchors_of,
    blocks_of,
    code_of,
    differences,
    text_of,
)
from tests.conftest import MakeTenant
from tests.stack import PATIENCE, Stack, Tenant

DOCS: Final = sorted(page.relative_to(ROOT).as_posix() for page in (ROOT / "docs").glob("*.md"))
GUIDES: Final = ["README.md", *DOCS]
PAGES: Final = [*GUIDES, "ARCHITECTURE.md", "CHANGELOG.md"]
EXECUTED: Final = [
    "README.md",
    "docs/quickstart-discovery.md",
    "docs/quickstart-revenue.md",
    "docs/importing.md",
    "docs/errors-limits-pagination.md",
]
LIMITS: Final = "docs/errors-limits-pagination.md"

# The pages name these; the commands get the address and the workspace of the test.
BASE_URL: Final = "http://127.0.0.1:8000"
WORKSPACE: Final = "Demo"

_END: Final = "----- end of block -----"


# --- outputs ----------------------------------------------------------------------------------

ID: Final = "01a22896-55de-72dd-9098-06aa9b91008b"


@pytest.mark.parametrize(
    ("language", "shown", "real", "same"),
    [
        ("json", f'{{"id": "{ID}", "n": 1}}', f'{{"n": 1, "id": "{ID[::-1][:8]}{ID[8:]}"}}', True),
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
        ("json", '{"a": "2026-01-02T03:04:05.6Z"}', '{"a": "2027-01-02T03:04:05.678Z"}', True),
        ("json", '{"a": "2026-01-02T03:04:05Z"}', '{"a": "2027-01-02T03:04:05Z"}', False),
        ("text", "a\nb\n", "a\nb\n", True),
        ("text", "a\n", "a\nb\n", False),
        ("text", "a\n...\nc\n", "a\nb\nc\n", True),
        ("text", "a\n...\nd\n", "a\nb\nc\n", False),
        ("text", "b\n", "a\nb\n", False),
    ],
)
def test_a_shown_output_is_compared(language: str, shown: str, real: str, same: bool) -> None:
    assert (differences(Block(language, shown, 1), real) == []) is same


@pytest.fixture
async def warm(make_tenant: MakeTenant) -> None:
    """The worker has analysed a text, so that the pages' own loops wait for moments only."""
    tenant = await make_tenant()
    await tenant.processed((await tenant.signal())["id"])


@pytest.mark.usefixtures("warm")
@pytest.mark.parametrize("page", EXECUTED)
async def test_a_page_can_be_followed_and_shows_real_outputs(
    page: str, stack: Stack, make_tenant: MakeTenant, tmp_path: Path
) -> None:
    # A page about limits shows those of a new key. The others are followed faster than a reader is.
    tenant = await make_tenant(limits=LimitChoice() if page == LIMITS else UNLIMITED)
    blocks = blocks_of(page)
    called = [block for block in blocks if block.calls_the_product]
    outputs = dict(zip(called, await _follow(called, tmp_path, stack, tenant), strict=True))
    assert outputs
    found = [
        f"line {block.line}: {each}"
        for before, block in itertools.pairwise(blocks)
        if block.shows_output
        for each in (
            differences(block, outputs[before]) if before in outputs else ["nothing prints this"]
        )
    ]
    assert found == []


def test_the_findings_that_the_readme_shows_are_what_the_engine_finds() -> None:
    """Compared with the page that another test keeps equal to what the engine finds."""
    (shown,) = [block.text for block in blocks_of("README.md") if "gateway demo" in block.text]
    names = re.findall(r"• (.*)", shown)
    quotes = re.findall(r"“(.*?)(?: \.\.\.|”) — (.*)", shown)
    found = text_of("docs/examples-of-output.md")
    assert len(names) == len(quotes) > 0
    for name, (quote, speaker) in zip(names, quotes, strict=True):
        row = rf"\| {speaker} [\d:]+: “{re.escape(quote)}.*” \| \*\*{re.escape(name)}\*\*"
        assert re.search(row, found), name


async def _follow(blocks: list[Block], folder: Path, stack: Stack, tenant: Tenant) -> list[str]:
    """Run the blocks in one shell; what each prints."""
    script = "".join(f"{block.text}echo; echo '{_END}'\n" for block in blocks)
    script = script.replace(BASE_URL, stack.base_url)
    script = script.replace(f"--workspace {WORKSPACE}", f"--workspace {tenant.name}")
    _look_like_a_clone(folder, stack)
    shell = await asyncio.create_subprocess_exec(
        *("bash", "-c", f"set -eu\n{script}"),
        cwd=folder,
        env={**os.environ, "KEY": tenant.key},
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
    *outputs, rest = printed.decode().replace(tenant.name, WORKSPACE).split(f"{_END}\n")
    if shell.returncode != 0:
        block = blocks[len(outputs)]
        pytest.fail(f"line {block.line}:\n{block.text}{rest}{complained.decode()}")
    return outputs


def _look_like_a_clone(folder: Path, stack: Stack) -> None:
    """Prepare a folder in which the commands of the pages work as they do after `make run`."""
    (folder / ".venv").mkdir()
    (folder / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    (folder / "examples").symlink_to(ROOT / "examples")
    (folder / ".data").mkdir()
    urls = {name: stack.env[name.upper()] for name in ("database_url", "redis_url", "blob_url")}
    runfile.write(folder / ".data", {**urls, "api_url": stack.base_url})


# --- commands and targets ---------------------------------------------------------------------


def _commands(group: click.Group, name: str) -> Iterator[tuple[str, click.Command]]:
    """Every command by its full name, groups left out."""
    for each, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _commands(command, f"{name} {each}")
        else:
            yield f"{name} {each}", command


COMMANDS: Final = dict(_commands(cli, "gateway"))


def _options(command: click.Command) -> set[str]:
    return {
        name
        for each in command.params
        for name in (*each.opts, *each.secondary_opts)
        if "--" in name
    }


def _unknown(mention: str) -> str | None:
    """The first word or option of a mentioned `gateway ...` that does not exist."""
    command: click.Command = cli
    words = mention.split()[1:]
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        word = words.pop(0)
        if word not in command.commands:
            return word
        command = command.commands[word]
    known = _options(command) | {"--help", "--version"}
    return next((each for each in re.findall(r"--[a-z-]+", mention) if each not in known), None)


@pytest.mark.parametrize("page", GUIDES)
def test_every_mentioned_command_and_option_exists(page: str) -> None:
    mentions = {
        found[0]
        for code in code_of(page)
        for found in re.finditer(r"(?<![\w/-])(?:\.venv/bin/)?gateway(?: [^|;&<>()#]*)?", code)
    }
    assert {each: wrong for each in mentions if (wrong := _unknown(each))} == {}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_section_with_exactly_its_options(name: str) -> None:
    begin, section = text_of("docs/cli.md").split(f"### `{name}`\n")
    assert begin
    listed = re.findall(r"^\| `(--[a-z-]+)", section.partition("\n##")[0], re.MULTILINE)
    assert sorted(listed) == sorted(_options(COMMANDS[name]))


def test_every_section_of_the_cli_page_is_a_command() -> None:
    sections = re.findall(r"^### `(gateway [^`]+)`", text_of("docs/cli.md"), re.MULTILINE)
    assert sorted(sections) == sorted(COMMANDS)


def _targets(page: str) -> set[str]:
    return {found[1] for code in code_of(page) if (found := re.search(r"(?:^| )make (\w+)", code))}


def test_every_make_target_is_documented_and_every_mentioned_one_exists() -> None:
    (phony,) = re.findall(r"^\.PHONY: (.*)", text_of("Makefile"), re.MULTILINE)
    assert _targets("docs/development.md") == set(phony.split())
    for page in GUIDES:
        assert _targets(page) <= set(phony.split()), page


# --- settings, scopes, problems ---------------------------------------------------------------


def test_every_setting_is_documented_with_its_default() -> None:
    rows = re.findall(
        r"^\| `([A-Z_]+)` \| (.*?) \|", text_of("docs/configuration.md"), re.MULTILINE
    )
    assert sorted(rows) == sorted(
        (each.name, "required" if each.default is None else each.default or "not set")
        for each in settings.listed()
    )


@pytest.mark.parametrize("page", GUIDES)
def test_every_mentioned_setting_exists(page: str) -> None:
    known = {each.name for each in settings.listed()}
    assert set(re.findall(r"\bGATEWAY_[A-Z_]+", text_of(page))) <= known


def test_every_scope_is_documented() -> None:
    text = text_of("docs/security.md")
    assert [each for each in SCOPES if f"`{each}`" not in text] == []


def test_every_kind_of_problem_is_documented() -> None:
    rows = re.findall(r"^\| (\d{3}) \| `(\w+)` \|", text_of(LIMITS), re.MULTILINE)
    kinds = [
        each
        for each in (*vars(problems).values(), RangeNotSatisfiable)
        if isinstance(each, type) and issubclass(each, Problem) and each is not Problem
    ]
    assert set(rows) == {(str(each.status), each.code) for each in kinds}


# --- links ------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_links_of_the_pages_lead_somewhere(page: str) -> None:
    broken = []
    for target, anchor in re.findall(r"\]\((?!\w+:)([^)#]*)#?([^)]*)\)", text_of(page)):
        found = (ROOT / page).parent / target if target else ROOT / page
        if not found.exists() or (anchor and anchor not in anchors_of(found)):
            broken.append(f"{target}#{anchor}")
    assert broken == []


def test_every_page_is_in_the_index_of_the_readme() -> None:
    linked = re.findall(r"^- \[.*?\]\((docs/[^)]+\.md)\): ", text_of("README.md"), re.MULTILINE)
    assert sorted(linked) == DOCS
