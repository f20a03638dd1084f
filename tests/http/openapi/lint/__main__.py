"""Lint the OpenAPI documents with Redocly, Spectral and openapi-spec-validator.

`python -m tests.http.openapi.lint` fails if one of them reports an error or a warning. The linters
are the npm packages of `package-lock.json`. They run on the Node.js of requirements/lint.txt.
"""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from openapi_spec_validator import OpenAPIV31SpecValidator

from gateway.app import SURFACES
from gateway.discovery.surface import DISCOVERY
from gateway.openapi.document import build_document
from gateway.revenue.surface import REVENUE
from tests import nodejs

HERE: Final = Path(__file__).parent
OUTPUT: Final = HERE.parents[3] / "build" / "lint"
# Redocly forbids the host names of examples.
URL: Final = "https://gateway.acme.dev"
DOCUMENTS: Final = {"both": SURFACES, "discovery": (DISCOVERY,), "revenue": (REVENUE,)}


def main() -> int:
    """Lint all documents. Returns the exit code."""
    nodejs.install(HERE, OUTPUT)
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


def run_node(script: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a script of an npm package."""
    return nodejs.run(nodejs.NODE, OUTPUT / "node_modules" / script, *arguments, cwd=OUTPUT)


if __name__ == "__main__":
    sys.exit(main())
