"""The documentation matches the product: commands, outputs, options, settings, paths and links.

The commands of the pages in EXECUTED are run: the `sh` blocks that call the API or the `gateway`
command run in order, in one shell per page, against the running stack. A `json` or `text` block
after such a block shows its output, which is compared with the real one.
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
from domains.kernel.tenancy.api_keys import SCOPES, UNLIMITED, RateLimitOverrides
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
    long_lines,
    missing_paths,
    text_of,
)
from tests.conftest import MakeTenant
from tests.stack import TIMEOUT, Stack, Tenant

DOCS: Final = sorted(page.relative_to(ROOT).as_posix() for page in (ROOT / "docs").glob("*.md"))
DECISIONS: Final = sorted(
    page.relative_to(ROOT).as_posix() for page in (ROOT / "docs" / "decisions").glob("*.md")
)
GUIDES: Final = ["README.md", *DOCS]
PAGES: Final = [*GUIDES, *DECISIONS, "ARCHITECTURE.md", "CHANGELOG.md"]
PROSE: Final = [*PAGES, "examples/README.md", "domains/intelligence/weights/MODELS.md"]
GENERATED: Final = "docs/examples-of-output.md"
EXECUTED: Final = [
    "README.md",
    "docs/quickstart-discovery.md",
    "docs/quickstart-revenue.md",
    "docs/importing.md",
    "docs/errors-limits-pagination.md",
]
LIMITS: Final = "docs/errors-limits-pagination.md"

# Values in the pages. The tests replace them by the address and the workspace of the test.
BASE_URL: Final = "http://127.0.0.1:8000"
WORKSPACE: Final = "Demo"

_END_OF_BLOCK: Final = "----- end of block -----"


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
def test_shown_and_real_outputs_are_compared(
    language: str, shown: str, real: str, same: bool
) -> None:
    assert (differences(Block(language, shown, 1), real) == []) is same


@pytest.fixture
async def warm(make_tenant: MakeTenant) -> None:
    """Warm up the worker, because the loops in the pages wait only for a few seconds."""
    tenant = await make_tenant()
    await tenant.process_text()


@pytest.mark.usefixtures("warm")
@pytest.mark.parametrize("page", EXECUTED)
async def test_the_commands_of_a_page_work_and_print_the_shown_outputs(
    page: str, stack: Stack, make_tenant: MakeTenant, tmp_path: Path
) -> None:
    # The page about limits shows the default limits, which the other pages would exceed.
    tenant = await make_tenant(limits=RateLimitOverrides() if page == LIMITS else UNLIMITED)
    blocks = blocks_of(page)
    commands = [block for block in blocks if block.calls_servers]
    outputs = dict(zip(commands, await _run(commands, tmp_path, stack, tenant), strict=True))
    assert outputs
    wrong = [
        f"line {block.line}: {difference}"
        for before, block in itertools.pairwise(blocks)
        if block.shows_output
        for difference in (
            differences(block, outputs[before]) if before in outputs else ["nothing prints this"]
        )
    ]
    assert wrong == []


async def _run(blocks: list[Block], folder: Path, stack: Stack, tenant: Tenant) -> list[str]:
    """Run the blocks in one shell. Returns the output of each."""
    script = "".join(f"{block.text}echo; echo '{_END_OF_BLOCK}'\n" for block in blocks)
    script = script.replace(BASE_URL, stack.base_url)
    script = script.replace(f"--workspace {WORKSPACE}", f"--workspace {tenant.name}")
    _prepare(folder, stack)
    shell = await asyncio.create_subprocess_exec(
        *("bash", "-c", f"set -eu\n{script}"),
        cwd=folder,
        env={**os.environ, "KEY": tenant.key},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(TIMEOUT):
            output, errors = await shell.communicate()
    finally:
        if shell.returncode is None:
            shell.kill()
            await shell.wait()
    *outputs, rest = output.decode().replace(tenant.name, WORKSPACE).split(f"{_END_OF_BLOCK}\n")
    if shell.returncode != 0:
        block = blocks[len(outputs)]
        pytest.fail(f"line {block.line}:\n{block.text}{rest}{errors.decode()}")
    return outputs


def _prepare(folder: Path, stack: Stack) -> None:
    """Prepare a folder in which the commands work as they do in a clone after `make run`."""
    (folder / ".venv").mkdir()
    (folder / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    (folder / "examples").symlink_to(ROOT / "examples")
    (folder / ".data").mkdir()
    urls = {name: stack.env[name.upper()] for name in ("database_url", "redis_url", "blob_url")}
    runfile.write(folder / ".data", {**urls, "api_url": stack.base_url})


# --- commands and targets ---------------------------------------------------------------------


def _commands(group: click.Group, name: str) -> Iterator[tuple[str, click.Command]]:
    """Every command with its full name. Groups are not listed themselves."""
    for part, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _commands(command, f"{name} {part}")
        else:
            yield f"{name} {part}", command


COMMANDS: Final = dict(_commands(cli, "gateway"))


def _options(command: click.Command) -> set[str]:
    return {
        name
        for param in command.params
        for name in (*param.opts, *param.secondary_opts)
        if "--" in name
    }


def _first_unknown(mention: str) -> str | None:
    """The first word or option of `gateway ...` that does not exist."""
    command: click.Command = cli
    words = mention.split()[1:]
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        word = words.pop(0)
        if word not in command.commands:
            return word
        command = command.commands[word]
    known = _options(command) | {"--help", "--version"}
    options = re.findall(r"--[a-z-]+", mention)
    return next((option for option in options if option not in known), None)


@pytest.mark.parametrize("page", GUIDES)
def test_every_mentioned_command_and_option_exists(page: str) -> None:
    mentions = {
        match[0]
        for code in code_of(page)
        for match in re.finditer(r"(?<![\w/-])(?:\.venv/bin/)?gateway(?: [^|;&<>()#]*)?", code)
    }
    assert {mention: word for mention in mentions if (word := _first_unknown(mention))} == {}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_section_with_exactly_its_options(name: str) -> None:
    _before, section = text_of("docs/cli.md").split(f"### `{name}`\n")
    listed = re.findall(r"^\| `(--[a-z-]+)", section.partition("\n##")[0], re.MULTILINE)
    assert sorted(listed) == sorted(_options(COMMANDS[name]))


def test_every_section_of_the_cli_page_is_a_command() -> None:
    sections = re.findall(r"^### `(gateway [^`]+)`", text_of("docs/cli.md"), re.MULTILINE)
    assert sorted(sections) == sorted(COMMANDS)


def _targets(page: str) -> set[str]:
    return {
        match[1] for code in code_of(page) if (match := re.search(r"(?:^| )make ([\w-]+)", code))
    }


def test_every_make_target_is_documented_and_every_mentioned_target_exists() -> None:
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
        (setting.name, "required" if setting.default is None else setting.default or "not set")
        for setting in settings.list_settings()
    )


@pytest.mark.parametrize("page", [*GUIDES, *DECISIONS])
def test_every_mentioned_setting_exists(page: str) -> None:
    known = {setting.name for setting in settings.list_settings()}
    assert set(re.findall(r"\bGATEWAY_[A-Z_]+", text_of(page))) <= known


def test_every_scope_is_documented() -> None:
    text = text_of("docs/security.md")
    assert [scope for scope in SCOPES if f"`{scope}`" not in text] == []


def test_every_problem_is_documented() -> None:
    rows = re.findall(r"^\| (\d{3}) \| `(\w+)` \|", text_of(LIMITS), re.MULTILINE)
    classes = [
        value
        for value in (*vars(problems).values(), RangeNotSatisfiable)
        if isinstance(value, type) and issubclass(value, Problem) and value is not Problem
    ]
    assert set(rows) == {(str(problem.status), problem.code) for problem in classes}


# --- paths, links and form --------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_the_paths_in_a_page_exist(page: str) -> None:
    assert missing_paths(page) == []


@pytest.mark.parametrize("page", PAGES)
def test_the_links_of_a_page_have_a_target(page: str) -> None:
    broken = []
    for path, anchor in re.findall(r"\]\((?!\w+:)([^)#]*)#?([^)]*)\)", text_of(page)):
        target = (ROOT / page).parent / path if path else ROOT / page
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            broken.append(f"{path}#{anchor}")
    assert broken == []


def test_the_readme_links_every_page_of_the_documentation() -> None:
    linked = re.findall(r"^- \[.*?\]\((docs/[^)]+\.md)\): ", text_of("README.md"), re.MULTILINE)
    assert sorted(linked) == DOCS


@pytest.mark.parametrize("page", [page for page in PROSE if page != GENERATED])
def test_no_line_of_a_page_is_too_long(page: str) -> None:
    assert long_lines(page) == []


def test_the_readme_and_the_decision_records_are_short() -> None:
    maximum = {"README.md": 150, **dict.fromkeys(DECISIONS, 40)}
    assert [page for page, lines in maximum.items() if text_of(page).count("\n") > lines] == []


@pytest.mark.parametrize("page", DECISIONS)
def test_a_decision_record_has_its_four_parts(page: str) -> None:
    parts = re.findall(r"^\*\*([\w ]+)\.\*\* ", text_of(page), re.MULTILINE)
    assert parts == ["Context", "Decision", "Consequences", "Checked by"]
