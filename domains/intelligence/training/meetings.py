"""What the engine says of a meeting of the evaluation data, in the form that is scored."""

from typing import Any

from domains.intelligence.dialogue import dialogue_acts, extractive_summary
from domains.intelligence.dialogue.dialogue_acts import ActKind, Utterance


def predict_acts(row: dict[str, Any]) -> dict[ActKind, list[int]]:
    """Per kind the dialogue acts that carry it, by their numbers."""
    said = [Utterance(each["speaker"], each["text"], each["start"]) for each in row["acts"]]
    numbers = [each["i"] for each in row["acts"]]
    marked = dialogue_acts.marked(dialogue_acts.score(said))
    return {kind: [numbers[at] for at in found] for kind, found in marked.items()}


def predict_meeting(row: dict[str, Any]) -> str:
    """The summary of the whole meeting."""
    return extractive_summary.text(
        extractive_summary.digest([Utterance(speaker, words) for speaker, words in row["turns"]])
    )
