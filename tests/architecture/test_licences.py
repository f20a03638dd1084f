"""Licences of the run-time dependencies and of the bundled data: all are known and in NOTICE."""

import re
import subprocess
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Final

import pytest

ROOT = Path(__file__).parents[2]

# SPDX identifiers of licences under which a dependency of an Apache-2.0 product may be. The LGPL
# and the MPL cover the packages themselves, which are installed unchanged as files of their own.
ACCEPTED: Final = frozenset(
    {
        "0BSD",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "CC0-1.0",
        "CNRI-Python",
        "LGPL-3.0-only",
        "LGPL-3.0-or-later",
        "MIT",
        "MPL-2.0",
        "PSF-2.0",
        "Zlib",
    }
)

# Packages whose metadata names no licence or an unclear one, or that some platforms do not
# install: the licence and where it was found.
FOUND: Final = {
    "async-timeout": ("Apache-2.0", "metadata of the wheel"),
    "colorama": ("BSD-3-Clause", "LICENSE.txt in the wheel"),
    "httpx2-jsfetch": ("BSD-3-Clause", "metadata of the wheel"),
    "olefile": ("BSD-2-Clause", "LICENSE.txt in the wheel"),
    "pebble": ("LGPL-3.0-only", "LICENSE in the wheel: version 3 of the LGPL"),
    "pycld2": ("Apache-2.0", "LICENSE in the wheel"),
    "pypdfium2": (
        "Apache-2.0 OR BSD-3-Clause",
        "REUSE.toml of the source; the licences of PDFium are in the wheel",
    ),
    "rich-click": ("MIT", "LICENSE in the wheel"),
    "tzdata": ("Apache-2.0", "metadata of the wheel"),
    "valkey": ("MIT", "LICENSE in the wheel"),
}

# Spellings in metadata that are no SPDX identifiers.
SPELLINGS: Final = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "MIT License": "MIT",
    "OSI Approved :: Apache Software License": "Apache-2.0",
    "OSI Approved :: MIT License": "MIT",
    "OSI Approved :: GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
}


def run_time_packages() -> list[str]:
    pins = (ROOT / "requirements" / "run.txt").read_text("utf-8")
    return sorted(set(re.findall(r"^([\w.-]+)==", pins, re.MULTILINE)))


def licence(package: str) -> str:
    """Return the licence of a package as an SPDX expression, or what its metadata says instead."""
    if package in FOUND:
        return FOUND[package][0]
    fields = metadata.metadata(package)
    stated = [
        *(fields.get_all("License-Expression") or ()),
        *(fields.get_all("License") or ()),
        *(
            classifier.removeprefix("License :: ")
            for classifier in fields.get_all("Classifier") or ()
            if classifier.startswith("License :: ")
        ),
    ]
    return SPELLINGS.get(stated[0], stated[0]) if stated else "no licence in the metadata"


def is_accepted(expression: str) -> bool:
    """True if all licences that are joined by AND are accepted, of those joined by OR one."""
    return all(
        any(choice in ACCEPTED for choice in part.split(" OR "))
        for part in expression.split(" AND ")
    )


def test_licences_of_dependencies_are_accepted() -> None:
    """If this fails: look the licence up, then extend ACCEPTED or FOUND, or drop the package."""
    unknown = {
        package: expression
        for package in run_time_packages()
        if not is_accepted(expression := licence(package))
    }
    assert unknown == {}


@pytest.mark.parametrize(
    ("expression", "accepted"),
    [
        ("MIT", True),
        ("MIT AND PSF-2.0", True),
        ("GPL-3.0-only OR MIT", True),
        ("MIT AND GPL-3.0-only", False),
        ("Elastic-2.0", False),
        ("", False),
    ],
)
def test_licence_expression(expression: str, accepted: bool) -> None:
    assert is_accepted(expression) is accepted


def test_looked_up_licences_are_of_dependencies() -> None:
    assert set(FOUND) <= set(run_time_packages())


def test_notice_names_every_dependency_with_its_licence() -> None:
    notice = (ROOT / "NOTICE").read_text("utf-8")
    listed = re.findall(r"^  ([\w.-]+): (.+)$", notice, re.MULTILINE)
    assert listed == [(package, licence(package)) for package in run_time_packages()]


def test_notice_names_every_bundled_data_file() -> None:
    notice = (ROOT / "NOTICE").read_text("utf-8")
    files = subprocess.run(
        ["git", "ls-files", "domains", "gateway", "workers"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    data = {
        Path(name).name
        for name in files
        if not name.endswith((".py", ".md", ".typed")) and "/training/" not in name
    }
    assert {name for name in data if name not in notice} == set()


def test_the_package_contains_the_notice() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["license-files"] == ["LICENSE", "NOTICE"]
