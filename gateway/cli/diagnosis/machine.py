"""Checks of this machine: Python, packages, programs and disks."""

import importlib.metadata
import platform
import shutil
import tempfile
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from domains.intelligence.semantic import encoder_files
from domains.kernel.core.settings import Settings
from gateway.cli.diagnosis.findings import Finding, error, in_megabytes, off, ok, warning
from gateway.embedded.disk_space import free_space
from gateway.embedded.up import SPACE_NEEDED

# Bytes free on a disk, below which there is a warning. A recording may take 2 GB. There is an error
# below the space that `gateway up` needs.
LITTLE_SPACE: Final = 5_000_000_000


def check_versions() -> Finding:
    """State the versions of the product, of Python and of the system."""
    version = importlib.metadata.version("evidence-gateway")
    return ok(
        "versions",
        f"evidence-gateway {version}, Python {platform.python_version()},"
        f" {platform.system()} {platform.release()}",
    )


def check_encoders() -> Finding:
    """Check that both sentence encoders are installed."""
    missing = [
        model
        for model in encoder_files.SIZES
        if encoder_files.available(model) == encoder_files.HASHED_WORDS
    ]
    if not missing:
        return ok("sentence encoders", "installed")
    return warning(
        "sentence encoders",
        f"not installed: {', '.join(missing)}",
        "install them with `make setup`; until then findings in other languages than English, and"
        " near-duplicates, come from words alone",
    )


def check_ffmpeg(settings: Settings) -> Finding:
    """Check that recordings can be cut, if they are transcribed."""
    if not settings.speech_url:
        return off("ffmpeg", "not needed: GATEWAY_SPEECH_URL is not set")
    if program := shutil.which("ffmpeg"):
        return ok("ffmpeg", program)
    return warning(
        "ffmpeg",
        "not found in PATH",
        "install ffmpeg on every machine that runs `gateway work`; without it a recording of more"
        " than 24 MB is not transcribed",
    )


def check_disks(settings: Settings, data: Path) -> list[Finding]:
    """Check the free space of the data directory, the object store and the temporary directory."""
    folders = {
        "disk of the data directory": data,
        "disk of temporary files": Path(tempfile.gettempdir()),
    }
    store = urlsplit(settings.blob_url)
    if store.scheme == "file":
        folders["disk of the object store"] = Path(unquote(store.path))
    return [_check_disk(name, folder) for name, folder in folders.items() if folder.exists()]


def _check_disk(check: str, folder: Path) -> Finding:
    try:
        free = free_space(folder)
    except OSError as problem:
        return error(check, f"{folder}: {problem.strerror}", "mount it, or correct its permissions")
    detail = f"{in_megabytes(free)} free in {folder}"
    if free >= LITTLE_SPACE:
        return ok(check, detail)
    remedy = "free some space, or move the folder to a larger disk"
    return error(check, detail, remedy) if free < SPACE_NEEDED else warning(check, detail, remedy)
