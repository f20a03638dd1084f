"""Quoted mail: history, forwards, replies between the lines, in many languages and programs."""

import pytest

from tests.intelligence.own_words.marked import expected, found

FAILS = "The import stops at row 40 and we lose the rest."
OTHER = "Our login page was down for everybody on Sunday."

ATTRIBUTIONS = {
    "en-gmail": "On Tue, Apr 7, 2026 at 9:15 AM Kim <kim@shop.example> wrote:",
    "en-gmail-wrapped": "On Tue, Apr 7, 2026 at 9:15 AM Kim from the Shop\n<kim@shop.example> "
    "wrote:",
    "en-three-lines": "On Tue, Apr 7, 2026 at 9:15 AM\nKim from the Shop via "
    "Desk\n<kim@shop.example> wrote:",
    "en-apple": "On Apr 7, 2026, at 9:15 AM, Kim <kim@shop.example> wrote:",
    "en-thunderbird": "On 4/7/26 09:15, Kim wrote:",
    "en-zoho": "---- On Tue, 07 Apr 2026 09:15:00 +0200 kim@shop.example wrote ----",
    "en-yahoo": "On Tue, 7 Apr 2026 at 9:15, Kim<kim@shop.example> wrote:   Hi Lee,",
    "en-mutt-brackets": "* Kim <kim@shop.example> [2026-04-07 09:15]:",
    "en-mutt": "Kim <kim@shop.example> writes:",
    "de-gmail": "Am Di., 7. Apr. 2026 um 09:15 Uhr schrieb Kim <kim@shop.example>:",
    "de-wrapped": "Am Di., 7. Apr. 2026 um 09:15 Uhr schrieb Kim vom Laden <\nkim@shop.example>:",
    "de-name-first": "Kim <kim@shop.example> schrieb am Di., 7. Apr. 2026, 09:15:",
    "de-name-first-wrapped": "Kim <kim@shop.example> schrieb am Di., 7.\nApril 2026, 09:15:",
    "de-thunderbird": "Am 07.04.2026 um 09:15 schrieb Kim:",
    "fr-gmail": "Le mar. 7 avr. 2026 à 09:15, Kim <kim@shop.example> a écrit :",
    "fr-thunderbird": "Le 07/04/2026 à 09:15, Kim a écrit\u00a0:",
    "es-gmail": "El mar, 7 abr 2026 a las 9:15, Kim (<kim@shop.example>) escribió:",
    "pt-br": "Em ter., 7 de abr. de 2026 às 09:15, Kim <kim@shop.example> escreveu:",
    "pt-pt": "Kim <kim@shop.example> escreveu no dia terça, 7/04/2026 à(s) 09:15:",
    "it-gmail": "Il giorno mar 7 apr 2026 alle ore 09:15 Kim <kim@shop.example> ha scritto:",
    "nl-gmail": "Op di 7 apr 2026 om 09:15 schreef Kim <kim@shop.example>:",
    "ja-gmail": "2026年4月7日(火) 9:15 Kim <kim@shop.example>:",
    "zh-gmail": "Kim <kim@shop.example> 于2026年4月7日周二 09:15写道：",
    "ko-gmail": "2026년 4월 7일 (화) 오전 9:15, Kim <kim@shop.example>님이 작성:",
    "pl-gmail": "wt., 7 kwi 2026 o 09:15 Kim <kim@shop.example> napisał(a):",
    "ru-gmail": "вт, 7 апр. 2026 г. в 09:15, Kim <kim@shop.example>:\n",
    "ru-mail": "Вторник, 7 апреля 2026, 9:15 +03:00 от Kim <kim@shop.example>:",
    "sv-gmail": "Den tis 7 apr. 2026 kl 09:15 skrev Kim <kim@shop.example>:",
    "da-gmail": "tirs. 7. apr. 2026 kl. 09.15 skrev Kim <kim@shop.example>:",
    "fi-gmail": "ti 7. huhtik. 2026 klo 9.15 Kim (kim@shop.example) kirjoitti:",
    "cs-gmail": "út 7. 4. 2026 v 9:15 odesílatel Kim <kim@shop.example> napsal:",
    "tr-gmail": "Kim <kim@shop.example>, 7 Nis 2026 Sal, 09:15 tarihinde şunu yazdı:",
    "hu-gmail": "Kim <kim@shop.example> ezt írta (időpont: 2026. ápr. 7., K, 9:15):",
}


@pytest.mark.parametrize("line", ATTRIBUTIONS.values(), ids=ATTRIBUTIONS.keys())
@pytest.mark.parametrize("mark", ["> ", ""], ids=["marked", "plain"])
def test_attribution(line: str, mark: str) -> None:
    marked = f"{FAILS}\n\n⟦{line}\n\n{mark}{OTHER}\n{mark}Kim\n⟧"
    assert found(marked, "mail") == expected(marked)


HEADS = {
    "en": "From: Kim <kim@shop.example>\nSent: Tuesday, April 7, 2026 9:15 AM\nTo: Lee\nSubject: "
    "Rows",
    "en-bold": "*From:* Kim\n*Sent:* Tuesday, April 7, 2026 9:15 AM\n*To:* Lee\n*Subject:* Rows",
    "en-wrapped": "From: Kim <kim@shop.example>\nTo: Lee <lee@shop.example>;\n  Max "
    "<max@shop.example>\n"
    "Cc: Jo\nDate: 7 Apr 2026 09:15\nSubject: Rows",
    "de": "Von: Kim <kim@shop.example>\nGesendet: Dienstag, 7. April 2026 09:15\nAn: Lee\nBetreff: "
    "Zeilen",
    "de-spaced": "Von: Kim\n\nGesendet: Dienstag, 7. April 2026 09:15\n\nAn: Lee\n\nBetreff: "
    "Zeilen",
    "fr": "De : Kim <kim@shop.example>\nEnvoyé : mardi 7 avril 2026 09:15\nÀ : Lee\nObjet : Lignes",
    "es": "De: Kim <kim@shop.example>\nEnviado el: martes, 7 de abril de 2026 9:15\nPara: "
    "Lee\nAsunto: Filas",
    "pt": "De: Kim <kim@shop.example>\nEnviada em: terça-feira, 7 de abril de 2026 09:15\nPara: "
    "Lee\n"
    "Assunto: Linhas",
    "it": "Da: Kim <kim@shop.example>\nInviato: martedì 7 aprile 2026 09:15\nA: Lee\nOggetto: "
    "Righe",
    "nl": "Van: Kim <kim@shop.example>\nVerzonden: dinsdag 7 april 2026 09:15\nAan: "
    "Lee\nOnderwerp: Rijen",
    "pl": "Od: Kim <kim@shop.example>\nWysłano: wtorek, 7 kwietnia 2026 09:15\nDo: Lee\nTemat: "
    "Wiersze",
    "ru": "От: Kim <kim@shop.example>\nОтправлено: 7 апреля 2026 г. 9:15\nКому: Lee\nТема: Строки",
    "sv": "Från: Kim <kim@shop.example>\nSkickat: den 7 april 2026 09:15\nTill: Lee\nÄmne: Rader",
    "da": "Fra: Kim <kim@shop.example>\nSendt: 7. april 2026 09:15\nTil: Lee\nEmne: Rækker",
    "ja": "差出人: Kim <kim@shop.example>\n送信日時: 2026年4月7日 9:15\n宛先: Lee\n件名: 行",
    "zh": "发件人：Kim <kim@shop.example>\n发送时间：2026年4月7日 9:15\n收件人：Lee\n主题：行",
    "ko": "보낸 사람: Kim <kim@shop.example>\n보낸 날짜: 2026년 4월 7일 9:15\n"
    "받는 사람: Lee\n제목: 행",
    "marker": "-----Original Message-----\nFrom: Kim [mailto:kim@shop.example]\nSent: 7 April 2026 "
    "09:15",
    "marker-de": "-----Ursprüngliche Nachricht-----\nVon: Kim\nGesendet: 7. April 2026 09:15\nAn: "
    "Lee",
    "marker-alone": "-------- Message d'origine --------",
    "one-line": "Date: Tue, 7 Apr 2026 09:15:00 From: kim@shop.example To: Lee Subject: Rows",
    "reply-to": "From: Kim\nReply-To: kim@shop.example\nSent: 7 April 2026 09:15\nTo: Lee",
    "danish": "-------- Oprindelig besked --------\nFra: Kim\nDato: 07.04.2026  09.15\nTil: Lee",
    "rule": "________________________________\nFrom: Kim <kim@shop.example>\nSent: 7 April 2026 "
    "09:15",
}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS.keys())
def test_head_of_the_answered_mail(head: str) -> None:
    marked = f"{FAILS}\n\n⟦{head}\n\n{OTHER}\n\nFrom: Max <max@shop.example>\nSubject: x\n\nOld.\n⟧"
    assert found(marked, "mail") == expected(marked)


@pytest.mark.parametrize(
    "line",
    [
        "##- Please type your reply above this line -##",
        "## Reply ABOVE THIS LINE to add a note to this request ##",
        "---- Please reply above this line ----",
        "*Reply above this line.*",
        "–– Reply above ––",
        "##- Bitte geben Sie Ihre Antwort oberhalb dieser Zeile ein. -##",
        "##- Veuillez saisir votre réponse au-dessus de cette ligne -##",
        "##- Por favor, escriba su respuesta por encima de esta línea -##",
        "##- Digite sua resposta acima desta linha -##",
        "##- Scrivi la tua risposta sopra questa riga -##",
        "##- Typ uw antwoord boven deze regel -##",
        "##- この行より上に返信を入力してください -##",
    ],
)
def test_reply_above_this_line(line: str) -> None:
    marked = f"{FAILS}\n\n⟦{line}\n\n{OTHER}\n⟧"
    assert found(marked, "ticket") == expected(marked)


REPLIES = {
    "between": "Hi Kim,\n\n⟦On Apr 7, 2026, at 9:15 AM, Kim <kim@shop.example> wrote:\n> Which "
    "file?⟧\n"
    f"\nrows.csv, 40 MB.\n\n⟦> And which version?\n⟧\n{FAILS}\n",
    "directly-between": "⟦Kim <kim@shop.example> wrote:\n> Which file did you try to "
    "import?⟧\nrows.csv\n"
    f"⟦> Which version?⟧\n{FAILS}\n",
    "below": f"⟦On 4/7/26 09:15, Kim wrote:\n> {OTHER}\n>\n> Kim\n⟧\n{FAILS}\n⟦-- \nLee\nShop "
    f"Ltd\n⟧",
    "levels": f"{FAILS}\n⟦> Which?\n>> {OTHER}\n> > Older\n⟧",
    "bars": f"{FAILS}\n⟦| {OTHER}\n| Kim\n⟧",
    "no-attribution": f"⟦> {OTHER}\n⟧{FAILS}",
    "wrapped-rest": f"⟦> {OTHER} It came back after a while but then\n> again it was so slow that "
    f"nobody could "
    f"work with it for the rest of\nthe day.\n> Kim⟧\n\n{FAILS}",
    "long-thread": f"{FAILS}\n\n⟦On Apr 7, 2026, at 9:15 AM, Kim <kim@shop.example> "
    f"wrote:\n\n{OTHER}\n\n"
    "From: Max\nSent: 6 April 2026 10:00\n\nOlder.\n⟧",
    "windows-line-ends": f"{FAILS}\r\n\r\n⟦On 4/7/26 09:15, Kim wrote:\r\n> {OTHER}\r\n⟧",
    "right-to-left": f"{FAILS}\n\n⟦\u202bבתאריך יום ג׳, 7 באפר׳ 2026 ב-9:15 מאת "
    f"\u202aKim\u202c\u200f "
    "<\u202akim@shop.example\u202c>:\u202c\n\n" + OTHER + "\n⟧",
}


@pytest.mark.parametrize("marked", REPLIES.values(), ids=REPLIES.keys())
def test_replies_above_below_and_between(marked: str) -> None:
    assert found(marked, "mail") == expected(marked)


# The words of a mail that is only passed on are all there is: they are kept.
FORWARDS = {
    "gmail": "⟦---------- Forwarded message ---------\nFrom: Kim <kim@shop.example>\n"
    f"Date: Tue, Apr 7, 2026 at 9:15 AM⟧\nSubject: Import\n⟦To: "
    f"<lee@shop.example>\n⟧\n\n{FAILS}\n\nKim\n",
    "note": "FYI\n\n⟦---------- Forwarded message ---------\nFrom: Kim <kim@shop.example>⟧\n"
    f"Subject: Import\n\n{FAILS}\n\n⟦On 4/6/26 09:15, Max wrote:\n> {OTHER}\n⟧",
    "outlook": f"zur Info\n\n⟦Von: Kim\nGesendet: 7. April 2026 09:15\nAn: Lee⟧\nBetreff: "
    f"Import\n\n{FAILS}",
    "outlook-signature": "⟦Mit freundlichen Grüßen\nLee Beispiel\nEinkauf\n\nVon: Kim\nGesendet: "
    f"7. April 2026 09:15\nAn: Lee⟧\nBetreff: Import\n\n{FAILS}",
    "apple": "⟦Begin forwarded message:\n\n> ⟧⟦From: Kim <kim@shop.example>\n> ⟧Subject: "
    "Import\n⟦> Date: 7 April "
    f"2026 at 09:15:00\n> ⟧\n⟦> ⟧{FAILS}\n",
    "raw-mail": f"⟦From: Kim <kim@shop.example>\nTo: lee@shop.example⟧\nSubject: "
    f"Import\n\n{FAILS}\n",
    "all-quoted": f"⟦> ⟧{FAILS}\n⟦> ⟧Please help.\n",
    "all-quoted-with-history": f"⟦On 4/7/26 09:15, Kim wrote:\n> ⟧{FAILS}\n⟦>\n>> {OTHER}\n⟧",
    "attribution-only": f"⟦On 4/7/26 09:15, Kim wrote:⟧\n\n{FAILS}\n",
    "notification": f"⟦##- Please type your reply above this line -##⟧\n\n{FAILS}\n",
}


@pytest.mark.parametrize("marked", FORWARDS.values(), ids=FORWARDS.keys())
def test_a_mail_that_passes_on_another(marked: str) -> None:
    assert found(marked, "mail") == expected(marked)


@pytest.mark.parametrize(
    "note", ["Thanks, noted.", "See my answers below.", "Danke!\nLee", "Will do tomorrow.", "OK"]
)
def test_a_short_reply_is_no_forward(note: str) -> None:
    marked = f"{note}\n\n⟦Von: Kim\nGesendet: 7. April 2026 09:15\nAn: Lee\nBetreff: x\n\n{OTHER}⟧"
    words = found(marked, "mail")
    assert set(words) <= set(note.split())


@pytest.mark.parametrize(
    "text",
    [
        f"From: Berlin office\n{FAILS}",
        f"From: Berlin\nTo: Hamburg\n{FAILS}",
        f"Our offices:\nFrom: Berlin\nTo: Hamburg\nDate: 2026-04-07\n{FAILS}",
        f"On Monday the support team wrote:\nplease wait.\n{FAILS}",
        f"Subject: Import\nStatus: open\nPriority: high\n\n{FAILS}",
        "To: the team\nSubject: exports\n\nThey are slow.",
        "> 500 rows fail in every import.",
        "| Plan | Seats |\n| --- | --- |\n| Pro | 5 |\nThe table above is cut.",
        f"We wrote to you at 10:00: {FAILS}",
        f"On 7 April at 9:15 we wrote to kim@shop.example about this: {FAILS}",
        f"I got a strange mail from Kim <kim@shop.example> and she wrote:\n{FAILS}",
        f"Please send the invoices to Kim <kim@shop.example>:\n{FAILS}",
        "From: 01/02/2026 10:00\nTo: 02/02/2026 10:00\nThe report for this range is empty.",
        "Am 07.04.2026 um 09:15 schlug der Import fehl:\nFehler 500",
        "Reply above the line does not work in our mail client.",
        "I replied above this line in the form and the text vanished.",
        "The original message is lost.\nForwarded message headers are missing too.",
        f"Q: Which plan?\nA: Pro\nDe: nothing\n{FAILS}",
        "a -> b\n=> c\n>:( I am angry.",
        "",
        "\n\n \n",
    ],
)
def test_nothing_is_quoted(text: str) -> None:
    assert found(text, "mail") == text.split()


def test_head_below_the_number_of_a_ticket_is_the_head_of_the_mail() -> None:
    text = f"Ticket #48213\nSubject: Import\nFrom: Kim, Borough\nReceived: 7 April 2026\n\n{FAILS}"
    assert FAILS.split()[-3:] == found(text, "mail")[-3:]
    assert found(f"No, it fails\nFrom: Kim <kim@shop.example>\nSent: today\n\n{OTHER}", "mail") == [
        *("No,", "it", "fails")
    ]
