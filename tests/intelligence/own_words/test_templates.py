"""Templates: headings, hints and checklists of forms, survey questions, lines of chat programs."""

import pytest

from tests.intelligence.own_words.marked import expected, found

FAILS = "The import stops at row 40 and we lose the rest."


@pytest.mark.parametrize(
    "marked",
    [
        f"⟦### Describe the bug\n⟧\n{FAILS}\n\n⟦**Steps to reproduce**\n1. Open the import.\n\n2. "
        f"Wait.\n\n"
        "### Expected behavior\n⟧\nAll rows arrive.\n\n⟦### Additional context\n\n_No "
        "response_\n⟧",
        f"⟦Steps to reproduce:\n- open it\nActual result:⟧\n{FAILS}\n⟦Environment:⟧\nLinux",
        f"⟦## Environment\n- Linux\n- version 3\n⟧\n- It hurts.\n- {FAILS}",
        f"⟦Steps to reproduce:\n\n1) Open it.\n\n2) Wait.\n⟧{FAILS}",
        f"⟦**Is your feature request related to a problem? Please "
        f"describe.**⟧\n{FAILS}\n⟦**Describe the solution "
        "you'd like**\nA clear and concise description of what you want to happen.⟧",
        f"⟦- [x] I have searched the existing issues\n- [X] I agree to follow the Code of "
        f"Conduct⟧\n\n{FAILS}",
        f"⟦- [ ] Windows\n⟧- [x] Linux\n⟦- [ ] macOS\n⟧{FAILS}",
        f"⟦<!-- Please read the\n\nguide first. -->\n⟧{FAILS} ⟦<!-- x -->⟧ It hurts.",
        f"⟦## Schritte zum Reproduzieren\n⟧Importieren.\n⟦## Erwartetes Verhalten\n⟧{FAILS}",
        f"⟦## Summary\n\n(Summarize the bug encountered concisely)\n⟧\n{FAILS}\n\n⟦/label ~bug\n⟧",
        f"[07/04/26, 09:15:00] Kim: {FAILS}\n⟦[07/04/26, 09:16:00] Kim: \u200eimage omitted⟧",
        f"⟦### 再現手順⟧\n{FAILS}",
        f"⟦What is the primary reason for your score?⟧\n{FAILS}",
        f"⟦Q1: How likely are you to recommend us to a friend or colleague?⟧\n7\n{FAILS}",
        f"⟦Kim joined the conversation\n⟧{FAILS}\n⟦[09:15] Lee has left the chat\nConversation "
        f"closed⟧",
        f"⟦You are now chatting with Kim⟧\n{FAILS}\n⟦<Media omitted>⟧",
    ],
)
def test_template(marked: str) -> None:
    assert found(marked, "ticket") == expected(marked)


@pytest.mark.parametrize(
    "text",
    [
        "The steps to reproduce are missing in your form.",
        "Expected behavior: all rows arrive.",
        "- [ ] export to PDF\n- [ ] search in comments",
        "- [ ] I have to click twice\n- [ ] I cannot undo",
        "The conversation was closed by the agent without any answer.",
        "What can we do to get the import?",
        "The version is wrong and the environment too.",
        "# The search is slow",
        "How can I recommend the app to a friend?",
        "Kim joined our team and left the old account open.",
        "The chat was closed before I could answer.\n<!-- no end",
        "What we expected is a clear description.",
        "Steps:\n- Please add a login with our directory",
    ],
)
def test_own_words_stay(text: str) -> None:
    assert found(text, "ticket") == text.split()


def test_question_that_customers_ask_too_is_foreign_in_a_survey_only() -> None:
    marked = f"⟦What can we improve?⟧\n{FAILS}"
    assert found(marked, "review") == expected(marked)


def test_numbered_question_and_footer_of_a_review() -> None:
    marked = f"⟦Q2: What do you like least?⟧\n{FAILS}\n⟦Review collected by and hosted on Reviews.⟧"
    assert found(marked, "review") == expected(marked)
