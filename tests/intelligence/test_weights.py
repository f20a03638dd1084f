"""The weight files match MODELS.md, and training is reproducible."""

import hashlib
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from domains.intelligence.engine import RULES, engine
from domains.intelligence.semantic.encoder_files import WEIGHTS
from domains.intelligence.training.__main__ import HEADS, MODELS, main

MODELS_PAGE = (WEIGHTS / "MODELS.md").read_text("utf-8")


def test_models_page_lists_every_file_with_its_hash() -> None:
    recorded = dict(
        re.findall(r"^\| `(\w+\.bin)` \| [\d,]+ \| `([0-9a-f]{64})`", MODELS_PAGE, re.MULTILINE)
    )
    files = {path.name: path for path in WEIGHTS.glob("*.bin")}
    assert recorded.keys() == files.keys() == {f"{name}.bin" for name in (*MODELS, *HEADS)}
    for name, digest in recorded.items():
        assert hashlib.sha256(files[name].read_bytes()).hexdigest() == digest


def test_total_size() -> None:
    assert sum(path.stat().st_size for path in WEIGHTS.glob("*.bin")) < 6_000_000


def test_models_page_has_the_figures_of_this_engine() -> None:
    assert re.fullmatch(rf"embedded/{re.escape(RULES)}-[0-9a-f]{{8}}", engine())
    assert f"engine {engine()}," in MODELS_PAGE


def _data(folder: Path) -> Path:
    """Write a small data set to train on."""
    reviews = [
        ("The export crashes every morning.", 1, ["bug"]),
        ("It freezes when I open the camera.", 2, ["bug", "rating"]),
        ("Please add a dark mode.", 4, ["feature"]),
        ("I wish there was a widget for the home screen.", 4, ["feature"]),
        ("I use it on the train to read my mail.", 4, ["experience"]),
        ("It helps me to plan the week with my family.", 5, ["experience", "rating"]),
        ("Great app!", 5, ["rating"]),
        ("Love it.", 5, ["rating"]),
    ]
    rows = [
        {"id": f"r{n}", "text": f"{text} {n}", "stars": stars, "labels": labels}
        for n in range(6)
        for text, stars, labels in reviews
    ]
    opinions = [
        {"text": text}
        for _ in range(6)
        for text in ("The dark mode is great.", "I cannot share notes with friends.")
    ]
    for name, content in (
        ("reviews/train", rows),
        ("reviews/dev", rows),
        ("opinions/dev", opinions),
    ):
        file = folder / f"{name}.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{json.dumps(row)}\n" for row in content), "utf-8")
    return folder


@pytest.mark.parametrize("name", ["reviews", "suggestions", "issues"])
def test_training_is_reproducible(tmp_path: Path, name: str) -> None:
    data = _data(tmp_path / "data")
    results = []
    for into in (tmp_path / "one", tmp_path / "two"):
        arguments = [str(data), "--only", name, "--into", str(into)]
        result = CliRunner().invoke(main, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        results.append((into / f"{name}.bin").read_bytes())
    assert results[0] == results[1]
