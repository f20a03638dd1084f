"""Signatures, closings and lines of mobile mail programs at the end of a mail's own words."""

import pytest

from tests.intelligence.own_words.marked import expected, found

FAILS = "The import stops at row 40 and we lose the rest."
HISTORY = "\n\n⟦On 4/7/26 09:15, Kim wrote:\n> Old.\n⟧"

SIGNATURES = {
    "delimiter": "-- \nLee\nNever trust an export that fails.",
    "delimiter-stripped": "--\nLee Brown\nShop Ltd\n+44 20 7946 0000",
    "en": "Best regards,\n\nLee Brown\nHead of operations | Shop Ltd\nlee@shop.example",
    "en-thanks": "Thanks,\nLee",
    "en-thanks-twice": "Thanks in advance!\n\nKind regards\nLee Brown",
    "en-one-line": "Cheers, Lee",
    "en-lower-case": "thanks\nlee",
    "en-it": "Regards\nLee Brown\nIT manager, Shop Ltd",
    "de": "Mit freundlichen Grüßen\n\nLee Braun\nLeiterin Einkauf\nLaden GmbH · Hauptstraße 1 · "
    "10115 Berlin",
    "de-proxy": "Mit freundlichen Grüßen\ni. A. Lee Braun\nLaden GmbH · Hauptstr. 1 · 10115 Berlin",
    "de-dative": "Mit freundlichem Gruß\nLee Braun",
    "de-short": "VG Lee",
    "de-thanks": "Vielen Dank und viele Grüße\nLee",
    "fr": "Cordialement,\n\nLee Brun\nDirectrice des achats\nTél. : 01 23 45 67 89",
    "es": "Un saludo,\nLee Moreno\nDirectora de compras",
    "pt": "Atenciosamente,\nLee Pardo\nGerente de compras",
    "it": "Cordiali saluti\nLee Bruni\nUfficio acquisti",
    "nl": "Met vriendelijke groet,\n\nLee de Bruin\nHoofd inkoop",
    "pl": "Pozdrawiam serdecznie\nLee Brązowy",
    "ru": "С уважением,\nЛи Браун\nОтдел закупок",
    "sv": "Med vänliga hälsningar\nLee Brun",
    "da": "Venlig hilsen\nLee Brun",
    "fi": "Ystävällisin terveisin\nLee Ruskea",
    "tr": "Saygılarımla,\nLee Kahve",
    "ja": "よろしくお願いいたします。\n\n田中",
    "zh": "谢谢！\n李明",
    "ko": "감사합니다.\n이영희 드림",
    "two-languages": "Med venlig hilsen / Kind regards\n\nLee Brun\nCEO @ Shop!",
    "rule": "—————\nLee Brown\nProduct Manager\n📧 lee@shop.example\n📱 +44 20 7946 0000",
    "list": "_______________\nimport-users mailing list\nimport-users@lists.example",
    "ja-two": "以上、よろしくお願いいたします",
    "closing-above-delimiter": "よろしくお願いいたします。\n\n--\n田中太郎\nTEL: 03-1234-5678",
    "register": "Viele Grüße\ni.A. Lee Braun\nEinkauf\n\nLaden GmbH\nHauptstr. 1\n10115 Berlin\n\n"
    "Geschäftsführer: Max Braun · Amtsgericht Berlin HRB 4711 · USt-IdNr. DE4711",
    "register-alone": "Shop Ltd. Registered in England No. 4711. Registered office: 1 High St, "
    "London.",
    "line": "Lee Brown | Shop Ltd | +44 20 7946 0000",
    "link-first": "<http://www.shop.example>\n*Lee Brown*\nSuccess | *Shop*\nt. +44 20 7946 0000",
    "image": "Lee Brown\nlee@shop.example\n\n[image: logo.png]",
    "block": "Lee Brown\nHead of Operations\nShop Ltd | +44 20 7946 0000",
    "iphone": "Sent from my iPhone",
    "outlook": "Get Outlook for iOS<https://aka.ms/o0ukef>",
    "outlook-fr": "Télécharger Outlook pour Android<https://aka.ms/ghei36>",
    "outlook-de": "Holen Sie sich Outlook für iOS",
    "typos": "Sent from my phone, please excuse typos.",
    "iphone-de": "Von meinem iPhone gesendet",
    "android-de": "Diese Nachricht wurde von meinem Android-Mobiltelefon mit WEB.DE Mail gesendet.",
    "iphone-fr": "Envoyé de mon iPhone",
    "iphone-es": "Enviado desde mi iPhone",
    "iphone-pt": "Enviado do meu iPhone",
    "iphone-it": "Inviato da iPhone",
    "iphone-nl": "Verstuurd vanaf mijn iPhone",
    "iphone-pl": "Wysłane z iPhone'a",
    "iphone-ru": "Отправлено с iPhone",
    "iphone-sv": "Skickat från min iPhone",
    "iphone-ja": "iPhoneから送信",
    "iphone-zh": "发自我的iPhone",
    "iphone-ko": "나의 iPhone에서 보냄",
    "closing-and-iphone": "Thanks\nLee\n\nSent from my iPhone",
    "closing-and-notice": "Best,\nLee\n\nThis e-mail is confidential and intended only for the "
    "addressee. If "
    "you received it in error, please delete it.",
}


@pytest.mark.parametrize("signature", SIGNATURES.values(), ids=SIGNATURES.keys())
@pytest.mark.parametrize("history", ["\n", HISTORY], ids=["end", "history"])
def test_signature(signature: str, history: str) -> None:
    marked = f"{FAILS}\n\n⟦{signature}⟧{history}"
    assert found(marked, "mail") == expected(marked)


@pytest.mark.parametrize(
    "text",
    [
        f"Thanks,\nI tried that. {FAILS}",
        f"Thanks for the fast answer.\n\n{FAILS}",
        f"Hi,\n\nThanks!\n\n{FAILS} Also the page is slow.",
        f"Best regards to the team.\n{FAILS}",
        "Thanks,\nLee\n\nP.S. The search is broken too, and we need it every day.",
        "What is broken:\n---\nslow import\ncrash on save",
        "Broken pages\n-----\nSearch Page\nLogin Page\nStart Page",
        "The VAT number is missing on invoices of Shop Ltd.",
        "Get Outlook integration please",
        "When I send from my iPhone the attachments are lost.",
        "Lee Brown\nlee@shop.example\n+44 20 7946 0000\n\nI need an invoice for March.",
        "Slow import | broken login | no search",
        f"Kind of slow\n{FAILS}",
        "Pros:\nBest price\nFast import",
        "We need:\n--\nThe import must not stop at row 40 because we then lose the rest of the "
        "data.",
        "Sent from my account, the invoices never arrive at all.",
        "We get the mails from the phone system twice and that is annoying for everybody here.",
        "I need\nCSV\nExcel\nPDF",
        "Thanks,\nwhen will the export work?",
        "Danke, aber der Export geht immer noch nicht.",
    ],
)
def test_own_words_stay(text: str) -> None:
    assert found(text, "mail") == text.split()
