"""The weight files are those that MODELS.md records, and training makes the same ones again."""

import hashlib
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from domains.intelligence.engine import RULES, engine
from domains.intelligence.semantic.embeddings import WEIGHTS
from domains.intelligence.training.__main__ import MODELS, main

RECORD = (WEIGHTS / "MODELS.md").read_text("utf-8")


def test_every_file_stands_in_the_record_with_its_hash() -> None:
    recorded = dict(
        re.findall(r"^\| `(\w+\.bin)` \| [\d,]+ \| `([0-9a-f]{64})`", RECORD, re.MULTILINE)
    )
    files = {each.name: each for each in WEIGHTS.glob("*.bin")}
    assert recorded.keys() == files.keys() == {f"{name}.bin" for name in MODELS}
    for name, digest in recorded.items():
        assert hashlib.sha256(files[name].read_bytes()).hexdigest() == digest


def test_they_are_small() -> None:
    assert sum(each.stat().st_size for each in WEIGHTS.glob("*.bin")) < 4_000_000


def test_records_name_the_rules_and_the_weights() -> None:
    assert re.fullmatch(rf"embedded/{re.escape(RULES)}-[0-9a-f]{{8}}", engine())
    # The figures in the record are those of this engine.
    assert f"engine {engine()}," in RECORD


def _data(folder: Path) -> Path:
    """A little of what may be trained on, written for this test."""
    said = [
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
        for text, stars, labels in said
    ]
    opinions = [
        {
            "id": f"o{n}-{at}",
            "app": f"app{n % 3}",
            "review": f"r{n}",
            "text": text,
            "features": [{"text": phrase, "sentiment": feeling}],
        }
        for n in range(6)
        for at, (text, phrase, feeling) in enumerate(
            [
                ("The dark mode is great.", "dark mode", "positive"),
                ("I cannot share notes with friends.", "share notes", "negative"),
            ]
        )
    ]
    for name, some in (("reviews/train", rows), ("reviews/dev", rows), ("opinions/dev", opinions)):
        file = folder / f"{name}.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{json.dumps(row)}\n" for row in some), "utf-8")
    return folder


@pytest.mark.parametrize("name", ["phrases", "reviews", "suggestions", "issues"])
def test_the_same_data_gives_the_same_bytes(tmp_path: Path, name: str) -> None:
    data = _data(tmp_path / "data")
    made = []
    for into in (tmp_path / "one", tmp_path / "two"):
        arguments = [str(data), "--only", name, "--into", str(into)]
        result = CliRunner().invoke(main, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        made.append((into / f"{name}.bin").read_bytes())
    assert made[0] == made[1]
