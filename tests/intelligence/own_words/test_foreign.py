"""Foreign text: spans that are not the writer's own words."""

from domains.intelligence.own_words.foreign import foreign_spans


def test_quoted_lines() -> None:
    text = "It fails.\n> Hello\n> Bye\nStill.\n"
    assert foreign_spans(text, "mail") == [(10, 24)]
