"""Mapped texts: every part of a derived text has its exact place in the source."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.kernel.core.mapped_text import MappedText, MappedTextBuilder

# Spaces, entities and words, so that slices are trimmed, left out and kept.
SOURCES = st.text(st.sampled_from("abcdefg12&;<>. \n"), min_size=1, max_size=40)


@st.composite
def derived(draw: st.DrawFn, base: MappedText) -> tuple[MappedText, list[tuple[str, int, int]]]:
    """A text derived from the base in order, and its pieces: operation, start, end in the base."""
    cuts = sorted(draw(st.lists(st.integers(0, len(base.text)), min_size=2, max_size=12)))
    builder, pieces = MappedTextBuilder(base), []
    for start, end in pairwise(cuts):
        operation = draw(st.sampled_from(["copy", "copy", "replace", "insert", "skip"]))
        if operation == "copy":
            builder.copy(start, end)
        elif operation == "replace":
            builder.replace(draw(st.sampled_from(["", " ", "&", "Xy"])), start, end)
        elif operation == "insert":
            builder.insert("\n")
        pieces.append((operation, start, end))
    return builder.build(), pieces


@st.composite
def twice_derived(draw: st.DrawFn) -> MappedText:
    once, _ = draw(derived(MappedText.of(draw(SOURCES))))
    return draw(derived(once))[0]


def quoted(text: MappedText, start: int, end: int) -> list[str]:
    return [text.source[first:last] for first, last in text.source_slices(start, end)]


def test_parts_that_follow_one_another_are_one_slice() -> None:
    source = "<p>Q&amp;A is<b>  very </b>slow.</p><p>!</p>"
    builder = MappedTextBuilder(source)
    builder.copy(3, 4)
    builder.replace("&", 4, 9)
    builder.copy(9, 13)
    builder.replace(" ", 16, 18)
    builder.copy(18, 23)
    builder.copy(27, 32)
    builder.insert("\n")
    builder.copy(39, 40)
    text = builder.build()
    assert text.text == "Q&A is very slow.\n!"
    assert quoted(text, 0, len(text)) == ["Q&amp;A is", "very", "slow."]
    assert quoted(text, 1, 2) == ["&amp;"]
    assert quoted(text, 5, 9) == ["s", "ve"]
    assert quoted(text, 18, 19) == ["!"]
    assert quoted(text, 17, 18) == []


def test_no_slice_runs_across_an_insertion() -> None:
    builder = MappedTextBuilder("one two")
    builder.copy(0, 4)
    builder.insert("")
    builder.copy(4, 7)
    text = builder.build()
    assert (text.text, quoted(text, 0, 7)) == ("one two", ["one", "two"])
    squeezed = MappedTextBuilder(text)
    squeezed.copy(0, 3)
    squeezed.replace(" ", 3, 4)
    squeezed.copy(4, 7)
    assert quoted(squeezed.build(), 0, 7) == ["one", "two"]


@given(st.data())
def test_the_source_is_its_own_text(data: st.DataObject) -> None:
    source = data.draw(SOURCES)
    start, end = sorted((data.draw(st.integers(0, 40)), data.draw(st.integers(0, 40))))
    stripped = source[start:end].strip()
    assert quoted(MappedText.of(source), start, end) == ([stripped] if stripped else [])


@given(st.data())
def test_slices_are_ordered_disjoint_and_made_of_the_pieces(data: st.DataObject) -> None:
    source = data.draw(SOURCES)
    text, pieces = data.draw(derived(MappedText.of(source)))
    slices = text.source_slices(0, len(text))
    assert all(end <= start for (_, end), (start, _) in pairwise(slices))
    pieces = [piece for piece in pieces if piece[1] < piece[2]]
    for start, end in slices:
        taken = [piece for piece in pieces if piece[1] < end and start < piece[2]]
        assert {operation for operation, *_ in taken} <= {"copy", "replace"}


@given(st.data())
def test_copied_text_equals_its_slices(data: st.DataObject) -> None:
    source = data.draw(SOURCES)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(source)), max_size=8)))
    spans = list(zip(cuts[::2], cuts[1::2], strict=False))
    text = MappedText.of(source).without(spans)
    kept = [at for at in range(len(source)) if not any(a <= at < b for a, b in spans)]
    assert text.text == "".join(source[at] for at in kept)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    slices = text.source_slices(start, end)
    assert {at for at in kept[start:end] if source[at].isalnum()} == {
        at for a, b in slices for at in range(a, b) if source[at].isalnum()
    }
    part = text.part(start, end)
    assert part.text == text.text[start:end]
    assert part.source_slices(0, len(part)) == slices


@given(st.data())
def test_maps_compose(data: st.DataObject) -> None:
    """A slice of a text derived twice lies within the slices of the text between."""
    source = data.draw(SOURCES)
    once, _ = data.draw(derived(MappedText.of(source)))
    twice, pieces = data.draw(derived(once))
    assert once._pieces is not None
    # Not the slices of `once`: a replacement by an empty text has a source, but is in no slice.
    allowed = {
        at
        for operation, start, end in pieces
        if operation in ("copy", "replace")
        for piece in once._pieces.within(start, end)
        for at in range(piece.source_start, piece.source_end)
    }
    for start, end in twice.source_slices(0, len(twice)):
        assert set(range(start, end)) <= allowed


@given(twice_derived(), st.data())
def test_every_part_has_slices_within_those_of_the_whole(
    text: MappedText, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    whole = {at for run in text._runs(0, len(text)) for at in range(*text._source_range(*run))}
    for first, last in text.source_slices(start, end):
        assert 0 <= first < last <= len(text.source)
        assert set(range(first, last)) <= whole


@pytest.mark.parametrize("size", [200_000])
def test_long_texts_of_many_pieces(size: int) -> None:
    source = "a&" * size
    builder = MappedTextBuilder(source)
    for at in range(0, len(source), 2):
        builder.copy(at, at + 1)
        builder.replace("+", at + 1, at + 2)
    text = builder.build()
    assert text.source_slices(0, len(text)) == [(0, len(source))]
    assert text.without([(5, 6)]).source_slices(4, 6) == [(4, 5), (6, 7)]
