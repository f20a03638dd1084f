"""Threads in tickets and issues: who wrote what, and what nobody wrote."""

import pytest

from tests.intelligence.own_words.transcripts import insights

PAIN = "The viewer keeps crashing since the weekend, and it is very annoying."
WISH = "Please add a filter for the recall list."
AGENT = (
    "Sorry to hear that the viewer is slow. Have you tried a restart? "
    "It would help if you could send us your log file."
)


@pytest.mark.parametrize(
    ("text", "customer"),
    [
        (
            f"Gus Pell, Jul 1, 17:48 GMT\n\n{PAIN}\n\n-----------------\n"
            f"Hanne (Toothline), Jul 2, 11:05 GMT\n\n{AGENT}\n\n-----------------\n"
            f"Gus Pell, Jul 2, 14:20 GMT\n\n{WISH}",
            "Gus Pell",
        ),
        (
            f"From: Gus Pell\nTo: help@toothline.example\nSubject: viewer\n\n{PAIN}\n\n"
            f"From: help@toothline.example\n{AGENT}\n\nFrom: Gus Pell\n{WISH}",
            "Gus Pell",
        ),
        (
            f"### Description\n{PAIN}\n\n### Comment by @ingrid-core (maintainer)\n{AGENT}\n\n"
            f"### Comment by @gus-p\n{WISH}",
            "gus-p",
        ),
        (
            f"{PAIN}\n\n---\n**maintainer (kestrel-dev)** commented:\n{AGENT}\n\n"
            f"**gus-p** commented on 4 March:\n{WISH}",
            "gus-p",
        ),
        (
            f"**gusp** opened this issue on Jan 12, 2026\n\n{PAIN}\n\n"
            f"**lin** (Maintainer) commented on Jan 13, 2026\n\n{AGENT}\n\n"
            f"**gusp** commented 2 days later\n\n{WISH}",
            "gusp",
        ),
        (
            f"Gus Pell <gus@acme.example>\tMon, Jan 12, 2026 at 9:14 AM\n"
            f"To: help@toothline.example\n\n{PAIN}\n\n{WISH}\n\n"
            f"Ingrid <help@toothline.example>\tMon, Jan 12, 2026 at 10:02 AM\n"
            f"To: gus@acme.example\n\n{AGENT}",
            "Gus Pell",
        ),
        (f"Customer: {PAIN}\nAgent: {AGENT}\nCustomer: {WISH}", "Customer"),
    ],
)
def test_needs_of_a_thread_are_those_of_the_customer(text: str, customer: str) -> None:
    pain, request = insights(text, "support_ticket")
    assert [(each.kind, len(each.quotes)) for each in (pain, request)] == [
        ("pain", 1),
        ("request", 1),
    ]
    assert pain.quotes[0].text == PAIN
    assert (request.quotes[0].speaker, request.quotes[0].text) == (customer, WISH)


def test_a_sentence_with_a_pronoun_names_no_author() -> None:
    (pain,) = insights(f"Hi Kim,\n\nAs I wrote on Monday:\n\n{PAIN}", "support_ticket")
    assert [(quote.speaker, quote.text) for quote in pain.quotes] == [(None, PAIN)]


def test_speakers_of_another_organisation_than_the_customer() -> None:
    pain = "Our exports crash every week, and the search is slow."
    text = (
        f"**Lin** (customer, Coop)  08:05\n{pain}\n\n**Jasper** (Toothline)  08:11\n"
        f"ouch, we should really make that configurable\n\n**Lin**  08:12\n{WISH}"
    )
    assert [quote.text for each in insights(text) for quote in each.quotes] == [pain, WISH]


@pytest.mark.parametrize(
    "noise",
    [
        "```\nERROR: cannot export the file, it crashed\nPlease add more memory.\n```",
        "2026-03-04T05:58:19Z ERROR auth: account locked, users must request a reset",
        "[error] 0 problems found, need 1 column",
        "java.lang.IllegalStateException: the export crashed\n"
        "    at com.acme.Export.run(Export.java:41)",
        "java.lang.IllegalStateException: the export crashed\n\tat com.acme.Run.run(Run.java:4)\n"
        "Caused by: java.io.IOException: the disk is full\n\t... 12 more",
        "Jan 12 09:14:02 web-1 exportd[123]: fatal: cannot export the file",
        "{code:java}\nThe export crashed.\n{code}\n{quote}Please add a log.{quote}",
        "- [x] I have read the docs, and it still fails\n- [ ] It would be great to have a test",
    ],
)
def test_logs_and_checklists_are_nobodys_words(noise: str) -> None:
    (found,) = insights(f"{PAIN}\n\n{noise}\n\nGus", "support_ticket")
    assert [quote.text for quote in found.quotes] == [PAIN]


def test_text_that_is_nothing_but_code_is_read() -> None:
    assert insights(f"```\n{PAIN}\n```", "support_ticket")
