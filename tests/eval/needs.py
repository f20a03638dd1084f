"""Tasks calls, written and languages: predictions through the functions that workers call.

A call is read as a conversation with its participants, every other text as a signal. Figures are
those of the evaluation sets: a finding is right if one of its slices overlaps a slice of a need by
half of the shorter; needs and findings are matched one to one.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Final

from domains.intelligence.dialogue.turns import Turn
from domains.intelligence.engine import analyse
from domains.intelligence.findings import Document
from domains.intelligence.heads.names import organisations
from domains.intelligence.outline import Outline, outline
from domains.intelligence.training.heads.marked_documents import PROFILES, Person, find_person
from tests.eval.metrics import score
from tests.eval.rows import Rows

_KINDS: Final = {
    "Pain Points": "pain",
    "Requests": "request",
    "Praise": "praise",
    "Questions": "question",
}
_MOMENTS: Final = {"prices": "Pricing", "decisions": "Decisions", "objections": "Objections"}
_VENDORS: Final = ("vendor", "moderator", "researcher", "interviewer")


def predict(rows: Rows) -> list[dict[str, Any]]:
    """Predict needs; in calls also next steps, competitors, prices, decisions and the category."""
    return [_of_call(row) if row["kind"] == "call" else _of_text(row) for row in rows]


def _of_text(row: Mapping[str, Any]) -> dict[str, Any]:
    found = analyse(Document(text=row["text"], profile=PROFILES[row["kind"]])).insights
    return {
        "needs": [
            {
                "spans": [[quote.start, quote.end] for quote in insight.quotes],
                "title": insight.name,
                "type": insight.kind,
            }
            for insight in found
        ]
    }


def _of_call(row: Mapping[str, Any]) -> dict[str, Any]:
    people = [
        Person(each["name"], "vendor" if each.get("role") in _VENDORS else "customer")
        for each in row["participants"]
    ]
    names = {turn["speaker"]: find_person(turn["speaker"], people) for turn in row["turns"]}
    turns = [
        Turn(
            person.name if (person := names[turn["speaker"]]) else turn["speaker"],
            turn["text"],
            ours=person is not None and person.role == "vendor",
            start_time=turn.get("start"),
        )
        for turn in row["turns"]
    ]
    hosts = ("internal", "colleague", *_VENDORS)
    internal = all(each.get("role") in hosts for each in row["participants"])
    result = outline(
        turns,
        "INTERNAL" if internal else "EXTERNAL",
        row.get("title") or "",
        held_on=date.fromisoformat(row["startedAt"][:10]),
        own_names=organisations(
            [row.get("vendorDomain"), *(each.get("email") for each in row["participants"])]
        ),
    )
    places = list(_turn_starts(row))
    needs = [
        {"spans": spans, "title": item, "type": kind}
        for heading, kind in _KINDS.items()
        for item, spans in _items(result, heading, turns, places).items()
    ]
    steps = _items(result, "Next Steps", turns, places)
    return {
        "needs": needs,
        "nextSteps": [
            {
                "spans": steps[each.item],
                "owner": each.owner,
                "due": each.due.isoformat() if each.due else None,
            }
            for each in result.steps
            if each.item in steps
        ],
        "competitors": result.competitors,
        "category": result.category,
        **{
            name: [{"spans": spans} for spans in _items(result, heading, turns, places).values()]
            for name, heading in _MOMENTS.items()
        },
    }


def _turn_starts(row: Mapping[str, Any]) -> Iterator[int]:
    """Iterate over the offsets of the turns in the text."""
    at = 0
    for turn in row["turns"]:
        at = row["text"].index(turn["text"], at)
        yield at
        at += len(turn["text"])


def _items(
    result: Outline, heading: str, turns: Sequence[Turn], starts: Sequence[int]
) -> dict[str, list[list[int]]]:
    """Return the slices of the text behind each item."""
    items: dict[str, list[list[int]]] = defaultdict(list)
    for shown in result.evidence.get(heading, ()):
        start = starts[shown.turn] + turns[shown.turn].text.index(shown.quote)
        items[shown.item].append([start, start + len(shown.quote)])
    return items


def measure(rows: Rows, predicted: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the figures of a task by name."""
    pairs = list(zip(rows, predicted, strict=True))
    needs = _needs(pairs)
    figures = {f"needs {name}": value for name, value in needs.items()}
    by_language = _by(pairs, "lang")
    if len(by_language) > 1:
        figures["needs F1 worst language"] = min(each["F1"] for each in by_language.values())
    for group, values in (by_language | _by(pairs, "kind")).items():
        figures |= {f"needs {group} {name}": values[name] for name in ("P", "R", "F1")}
    for name, is_cut in (("cut", True), ("whole", False)):
        some = [pair for pair in pairs if pair[0].get("cutCaptions", None) is is_cut]
        if some:
            figures[f"needs F1 {name}"] = _needs(some)["F1"]
    calls = [pair for pair in pairs if pair[0]["kind"] == "call"]
    return figures | (_call_figures(calls) if calls else {})


def _by(pairs: Sequence["_Pair"], field: str) -> dict[str, dict[str, float]]:
    """Return the figures of needs by the value of a field, if there are several values."""
    values = sorted({row.get(field, "en") for row, _ in pairs})
    if len(values) < 2:
        return {}
    return {
        value: _needs([pair for pair in pairs if pair[0].get(field, "en") == value])
        for value in values
    }


def errors(rows: Rows, predicted: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Iterate over lines that show each missed need, each wrong finding and each wrong type."""
    for row, prediction in zip(rows, predicted, strict=True):
        gold = [(each, _spans(row, each)) for each in row["gold"]["needs"]]
        optional = [_spans(row, each) for each in row["gold"].get("optional", ())]
        found = prediction["needs"]
        matched = _match([each["spans"] for each in found], [spans for _, spans in gold])
        for place, (each, spans) in enumerate(gold):
            if place not in matched:
                yield f"missed {each['type']:<9} {row['id']}: {_shown(row, spans)}"
            elif found[matched[place]]["type"] != each["type"]:
                wrong = found[matched[place]]
                yield f"type   {wrong['type']:<9} {row['id']}: {each['type']}: {wrong['title']}"
        for place, each in enumerate(found):
            is_optional = any(_overlap(each["spans"], spans) for spans in optional)
            if place not in matched.values() and not is_optional:
                yield f"wrong  {each['type']:<9} {row['id']}: {each['title']}"


def _shown(row: Mapping[str, Any], spans: Sequence[Sequence[int]]) -> str:
    return " … ".join(" ".join(row["text"][start:end].split()) for start, end in spans)


_Pair = tuple[Mapping[str, Any], Mapping[str, Any]]


def _needs(pairs: Sequence[_Pair]) -> dict[str, float]:
    hits = found = true = typed = traps = 0
    for row, prediction in pairs:
        gold = [(each, _spans(row, each)) for each in row["gold"]["needs"]]
        optional = [_spans(row, each) for each in row["gold"].get("optional", ())]
        needs = [
            each
            for each in prediction["needs"]
            if any(_overlap(each["spans"], spans) for _, spans in gold)
            or not any(_overlap(each["spans"], spans) for spans in optional)
        ]
        matched = _match([each["spans"] for each in needs], [spans for _, spans in gold])
        hits += len(matched)
        found += len(needs)
        true += len(gold)
        typed += sum(gold[one][0]["type"] == needs[other]["type"] for one, other in matched.items())
        wrong = [each for place, each in enumerate(needs) if place not in matched.values()]
        trapped = [_spans(row, each) for each in row["gold"]["notNeeds"]]
        traps += sum(any(_overlap(each["spans"], spans) for spans in trapped) for each in wrong)
    result = score(hits, found - hits, true - hits)
    return {
        "P": result.precision,
        "R": result.recall,
        "F1": result.f1,
        "right type": typed / max(hits, 1),
        "traps": traps / max(found, 1),
    }


def _call_figures(pairs: Sequence[_Pair]) -> dict[str, float]:
    counts: Counter[str] = Counter()
    for row, prediction in pairs:
        _count_steps(counts, row, prediction)
        gold = {name.lower() for name in row["gold"].get("competitors", ())}
        named = {name.lower() for name in prediction["competitors"]}
        counts["competitor hits"] += len(gold & named)
        counts["competitor wrong"] += len(named - gold)
        counts["competitor missed"] += len(gold - named)
        for name in _MOMENTS:
            true = [_spans(row, each) for each in row["gold"].get(name, ())]
            said = [each["spans"] for each in prediction[name]]
            counts[f"{name} true"] += len(true)
            counts[f"{name} touched"] += sum(any(_overlap(each, x) for x in said) for each in true)
            counts[f"{name} said"] += len(said)
            counts[f"{name} right"] += sum(any(_overlap(x, each) for x in true) for each in said)
        gold_category = [row["gold"]["category"], *(row["gold"].get("categoryAlt") or ())]
        counts["category"] += prediction["category"] in gold_category
    steps, rivals = (
        score(counts[f"{name} hits"], counts[f"{name} wrong"], counts[f"{name} missed"])
        for name in ("step", "competitor")
    )
    matched = max(counts["step hits"], 1)
    figures = {
        "steps P": steps.precision,
        "steps R": steps.recall,
        "steps F1": steps.f1,
        "steps owner": counts["owner"] / matched,
        "steps due": counts["due"] / matched,
        "category accuracy": counts["category"] / len(pairs),
    }
    if counts["competitor hits"] + counts["competitor missed"]:
        figures["competitors F1"] = rivals.f1
    for name in _MOMENTS:
        if counts[f"{name} true"]:
            figures[f"{name} R"] = counts[f"{name} touched"] / counts[f"{name} true"]
            figures[f"{name} P"] = counts[f"{name} right"] / max(counts[f"{name} said"], 1)
    return figures


def _count_steps(
    counts: Counter[str], row: Mapping[str, Any], prediction: Mapping[str, Any]
) -> None:
    gold = [(each, _spans(row, each)) for each in row["gold"]["nextSteps"]]
    optional = [_spans(row, each) for each in row["gold"].get("optionalSteps", ())]
    steps = [
        each
        for each in prediction["nextSteps"]
        if any(_overlap(each["spans"], spans) for _, spans in gold)
        or not any(_overlap(each["spans"], spans) for spans in optional)
    ]
    matched = _match([each["spans"] for each in steps], [spans for _, spans in gold])
    counts["step hits"] += len(matched)
    counts["step wrong"] += len(steps) - len(matched)
    counts["step missed"] += len(gold) - len(matched)
    for one, other in matched.items():
        true, said = gold[one][0], steps[other]
        counts["owner"] += _is_same_person(true["owner"], said["owner"])
        counts["due"] += said["due"] in [true.get("due"), *true.get("dueAlt", ())]


def _spans(row: Mapping[str, Any], item: Mapping[str, Any]) -> list[list[int]]:
    if item.get("spans"):
        return [list(span) for span in item["spans"]]
    quotes = item.get("quotes") or [item["quote"]]
    return [[at, at + len(each)] for each in quotes if (at := row["text"].find(each)) >= 0]


def _overlap(some: Sequence[Sequence[int]], others: Sequence[Sequence[int]]) -> bool:
    return any(
        0 < min(end - start, stop - first) <= 2 * (min(end, stop) - max(start, first))
        for start, end in some
        for first, stop in others
    )


def _match(
    found: Sequence[Sequence[Sequence[int]]], true: Sequence[Sequence[Sequence[int]]]
) -> dict[int, int]:
    """Return the largest matching, one to one: the place of the found one by that of the true."""
    near = [[place for place, spans in enumerate(true) if _overlap(each, spans)] for each in found]
    owner: dict[int, int] = {}

    def place(one: int, seen: set[int]) -> bool:
        for other in near[one]:
            if other not in seen:
                seen.add(other)
                if other not in owner or place(owner[other], seen):
                    owner[other] = one
                    return True
        return False

    for one in range(len(found)):
        place(one, set())
    return owner


def _is_same_person(one: str | None, other: str | None) -> bool:
    words, more = (
        set((name or "").lower().replace(".", "").split()) - {"dr", "prof", "mr", "mrs", "ms"}
        for name in (one, other)
    )
    return bool(words and more) and (words <= more or more <= words)
