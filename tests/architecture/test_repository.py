"""Rules of the repository: paths, schema, pinned dependencies, imports and sizes of folders."""

import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from packaging.requirements import Requirement
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from domains.discovery import tables as _discovery  # noqa: F401 - fills the metadata
from domains.kernel.db.tables import SCHEMA_REVISION, metadata
from domains.revenue import tables as _revenue  # noqa: F401 - fills the metadata
from tests.stack import Stack

ROOT = Path(__file__).parents[2]


# Modules in a folder, without `__init__.py`: few enough to be seen at a glance.
MAX_MODULES = 14


def _files() -> list[Path]:
    """All files of the repository that git does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


def _matches(pattern: str, files: Iterable[Path]) -> list[str]:
    """Return the matching lines as `path:line`."""
    compiled = re.compile(pattern)
    return [
        f"{path.relative_to(ROOT)}:{number}"
        for path in files
        for number, line in enumerate(path.read_text("utf-8", errors="ignore").split("\n"), 1)
        if compiled.search(line)
    ]


def _modules(folder: str = "") -> list[Path]:
    return [
        path for path in _files() if path.suffix == ".py" and path.is_relative_to(ROOT / folder)
    ]


def test_paths_in_the_tree_of_the_architecture_page_exist() -> None:
    tree = re.search(r"```\n(.*?)```", (ROOT / "ARCHITECTURE.md").read_text("utf-8"), re.DOTALL)
    assert tree is not None
    missing: list[str] = []
    folder = ROOT
    for line in tree[1].splitlines():
        name = line.split()[0]
        path = ROOT / name if not line.startswith(" ") else folder / name
        if not line.startswith(" "):
            folder = path
        if not path.exists():
            missing.append(name)
        # Other files of the same folder named in the description.
        missing += [
            module
            for module in re.findall(r"\b[\w/]+\.py\b", line.partition(name)[2])
            if not any((base / module).exists() for base in (folder, path, ROOT))
        ]
    assert missing == []


def test_no_folder_has_more_than_14_modules() -> None:
    counts = Counter(path.parent for path in _modules() if path.name != "__init__.py")
    large = {
        str(folder.relative_to(ROOT)): count
        for folder, count in counts.items()
        # The history of the schema only grows.
        if count > MAX_MODULES and folder != ROOT / "migrations" / "versions"
    }
    assert large == {}


def test_the_schema_revision_is_the_latest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    assert ScriptDirectory.from_config(config).get_current_head() == SCHEMA_REVISION


async def test_migrations_create_the_declared_tables(stack: Stack) -> None:
    url = stack.database_url.replace("postgresql://", "postgresql+asyncpg://", 1)
    engine = create_async_engine(url)

    def differences(connection: Connection) -> object:
        return compare_metadata(MigrationContext.configure(connection), metadata)

    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()


@pytest.mark.parametrize("name", ["bench", "build", "lint", "model", "run", "sdk", "test", "ui"])
def test_requirements_have_hashes_and_no_package_host(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index" not in text
    for block in re.split(r"\n(?=\S)", text.strip()):
        assert re.match(r"[\w.\[\]-]+==[\w.]+( ;.*)? \\\n", block), block[:80]
        assert "--hash=sha256:" in block


def test_every_declared_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    def pins(name: str) -> dict[str, str]:
        text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
        return dict(re.findall(r"^([\w.-]+)(?:\[[\w,]+\])?==([\w.]+)", text, re.MULTILINE))

    run, test, bench, sdk = (pins(f"{name}.txt") for name in ("run", "test", "bench", "sdk"))
    for declared, pinned in (
        (project["dependencies"], run),
        (project["optional-dependencies"]["test"], test),
        (project["optional-dependencies"]["bench"], bench),
        (project["optional-dependencies"]["sdk"], sdk),
    ):
        for line in declared:
            requirement = Requirement(line)
            assert requirement.specifier.contains(pinned[requirement.name.lower()]), line
    # Tests and benchmarks run with the versions of production.
    assert {name: test[name] for name in run} == run
    assert {name: (test | bench | sdk)[name] for name in test} == test


def test_no_file_names_a_package_host_or_a_path_of_a_machine() -> None:
    # Written so that the pattern does not match this file.
    hosts = "p[y]pi[.]org|p[y]thonhosted|registry[.]n[p]mjs|deb[.]d[e]bian"
    pattern = rf"{hosts}|(?<![\w.-])/(?:w[o]rk|r[o]ot|h[o]me)/"
    assert _matches(pattern, _files()) == []


def test_our_modules_are_imported_at_the_top_of_a_file() -> None:
    """Imports within functions or for types only are easily missed."""
    modules = [path for path in _modules() if not path.is_relative_to(ROOT / "tests")]
    pattern = r"TYPE_CHECKING|^\s+(?:from|import) (?:gateway|domains|workers|migrations)\b"
    assert {match.partition(":")[0] for match in _matches(pattern, modules)} == {
        # Child processes import these two modules again and must not pay for their imports.
        "gateway/serve.py",
        "workers/__main__.py",
        # Functions that run in child processes, which alone load the engine.
        "domains/intelligence/child_calls.py",
        "domains/discovery/duplicates.py",
        "domains/revenue/enrichment/conversation_summaries.py",
        "domains/revenue/enrichment/deal_summaries.py",
        # Clients that the API process, and most workers, do not use.
        "domains/kernel/job_tools.py",
        "domains/kernel/models/endpoint.py",
        # The API and the HTTP clients, which the other commands do not need.
        "gateway/cli/openapi_document.py",
        "gateway/cli/doctor.py",
    }


def test_the_analysis_engine_reads_no_clock() -> None:
    """Callers pass dates in, so that a text has the same findings on every day."""
    pattern = r"\.(?:now|today|utcnow|fromtimestamp|monotonic|perf_counter)\("
    assert _matches(pattern, _modules("domains/intelligence")) == []


def test_importing_the_product_starts_no_thread() -> None:
    code = (
        "import gateway.app, workers.main, gateway.cli.main, threading\n"
        "assert threading.active_count() == 1"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env={"PATH": ""})


# Libraries for child processes, for other commands, or for services that few deployments have. Each
# would delay the start of every process.
_HEAVY = {
    *(
        "numpy",
        "onnxruntime",
        "tokenizers",
        "regex",
        "syntok",
        "pycld2",
        "domains.intelligence.engine",
    ),
    *("pypdfium2", "python_calamine", "olefile", "httpx", "alembic", "mako"),
}


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("workers.main", _HEAVY | {"litestar", "uvicorn"}),
        ("gateway.server", _HEAVY | {"httpcore", "dramatiq"}),
    ],
)
def test_a_process_starts_without_heavy_libraries(module: str, heavy: set[str]) -> None:
    code = f"import {module}, sys\nprint(*sorted({heavy!r} & sys.modules.keys()))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True, text=True
    ).stdout
    assert loaded.split() == []
