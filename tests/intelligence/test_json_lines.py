"""JSON Lines of training and evaluation data."""

from pathlib import Path

from domains.intelligence.training.json_lines import read_json_lines


def test_only_a_line_feed_ends_a_line(tmp_path: Path) -> None:
    text = "One\u2028two\u0085three"
    file = tmp_path / "dev.jsonl"
    file.write_bytes(f'{{"text": "{text}"}}\r\n\n{{"text": "last"}}'.encode())
    assert [row["text"] for row in read_json_lines(file)] == [text, "last"]
