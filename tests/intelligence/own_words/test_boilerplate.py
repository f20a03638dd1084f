"""Boilerplate: legal notices, banners, footers and automatic replies."""

import pytest

from tests.intelligence.own_words.marked import expected, found

FAILS = "The import stops at row 40 and we lose the rest."

NOTICES = {
    "en": "This message and any attachments are confidential and intended solely for the "
    "addressee. If you are "
    "not the intended recipient, any disclosure or copying is prohibited.",
    "en-title": "CONFIDENTIALITY NOTICE: This communication may contain privileged information. If "
    "you received "
    "it in error, please notify the sender and delete it. We cannot accept liability for any "
    "errors.",
    "en-wrapped": "The information in this e-mail is confidential and may be legally\nprivileged. "
    "It is intended "
    "solely for the addressee. Access by\nanyone else is unauthorised.",
    "en-two-paragraphs": "This e-mail is confidential and intended only for the named addressee. "
    "Please delete it "
    "if you are not the intended recipient.\n\nWe accept no liability for damage caused by any "
    "virus.",
    "de": "Diese E-Mail enthält vertrauliche Informationen. Wenn Sie nicht der richtige Adressat "
    "sind, "
    "informieren Sie bitte den Absender und vernichten Sie diese Mail. Das unbefugte Kopieren ist "
    "nicht gestattet.",
    "fr": "Ce message est confidentiel et destiné exclusivement à son destinataire. Si vous l'avez "
    "reçu par "
    "erreur, merci d'avertir l'expéditeur et de le supprimer. Toute diffusion est interdite.",
    "es": "Este mensaje es confidencial y está dirigido exclusivamente a su destinatario. Si lo ha "
    "recibido por "
    "error, notifíquelo al remitente y elimine este correo. Queda prohibida su copia.",
    "pt": "Esta mensagem é confidencial e destina-se ao uso exclusivo do destinatário. Se a "
    "recebeu por engano, "
    "elimine a mensagem. É proibida a sua divulgação.",
    "it": "Questo messaggio è riservato e confidenziale, ad uso esclusivo del destinatario. Se "
    "ricevuto per errore, "
    "cancellarlo. È vietata la diffusione.",
    "nl": "Dit bericht is vertrouwelijk en uitsluitend bestemd voor de geadresseerde. Indien u het "
    "ten onrechte "
    "ontving, verwijder dit bericht. Wij aanvaarden geen aansprakelijkheid.",
    "pl": "Ta wiadomość jest poufna i przeznaczona wyłącznie dla adresata. Jeśli otrzymali ją "
    "Państwo omyłkowo, "
    "prosimy powiadomić nadawcę i usunąć ją. Kopiowanie jest zabronione.",
    "ja": "このメールには機密情報が含まれています。"
    "宛先の方以外が誤って受信した場合は、"
    "直ちに削除してください。無断転載は禁止されています。",
    "unsubscribe": "To unsubscribe from this list, click here: https://list.example/u",
    "subscription": "You received this message because you are subscribed to the group Imports.",
    "abmelden": "Sie erhalten diese E-Mail, weil Sie Kunde sind. Abmelden: https://list.example",
    "desabonner": "Pour vous désabonner, cliquez ici.",
    "scanned": "This email has been checked for viruses by Guard antivirus software.",
    "virenfrei": "Virenfrei. www.guard.example",
    "environment": "Please consider the environment before printing this e-mail.",
    "desk": "This email is a service from Shop. Delivered by Zendesk",
    "github": "Reply to this email directly, view it on GitHub, or unsubscribe.",
}


@pytest.mark.parametrize("notice", NOTICES.values(), ids=NOTICES.keys())
def test_notice_below_own_words(notice: str) -> None:
    marked = f"{FAILS}\n\n⟦{notice}\n⟧"
    assert found(marked, "ticket") == expected(marked)


@pytest.mark.parametrize(
    "marked",
    [
        f"⟦CAUTION: This email originated from outside of the organization. Do not click links or "
        f"open attachments "
        f"unless you recognize the sender.\n\n⟧{FAILS}",
        f"⟦External email: Use caution with links and attachments.⟧\n{FAILS}",
        f"⟦[EXTERNAL] ⟧{FAILS}",
        f"⟦ACHTUNG: Diese E-Mail stammt von außerhalb des Unternehmens. Klicken Sie nicht auf "
        f"Links.\n⟧\n{FAILS}",
        f"⟦You don't often get email from lee@shop.example. Learn why this is "
        f"important\n⟧\n{FAILS}",
        f"⟦ATTENTION : Ce courriel provient de l'extérieur. Ne cliquez pas sur les "
        f"liens.⟧\n\n{FAILS}",
        f"{FAILS} ⟦This e-mail is confidential and intended only for the addressee. Please delete "
        f"it if you are not "
        "the intended recipient.⟧",
    ],
)
def test_banners_tags_and_notices_beside_own_words(marked: str) -> None:
    assert found(marked, "mail") == expected(marked)


@pytest.mark.parametrize(
    "text",
    [
        "This e-mail editor loses my text. It is a confidential draft each time.",
        "The disclaimer in our mails is cut off after the first line, please fix it.",
        "Mails to the intended recipient are sent to everybody, although they are confidential.",
        "I cannot unsubscribe from your newsletter. The link gives an error.",
        "External users cannot open the report. Warning: the export deletes rows.",
        "You can click the links but nothing happens.",
        "Our legal department needs the privacy settings per user and a responsible person.",
        "The virus scanner blocks every download from your site.",
        "[Export] The CSV is empty.",
        "Confidential rows are shown. This message says that they are prohibited and unauthorised.",
        "Unsubscribe links are missing in our emails; we need one by law.",
        "If you do not want to receive complaints, fix the import.",
        "Use caution when deleting rows, the app has no undo.",
        "Please consider the environment variables before printing logs.",
    ],
)
def test_own_words_about_such_things_stay(text: str) -> None:
    assert found(text, "ticket") == text.split()


AUTO_REPLIES = {
    "en": "Hello,\n\nI am currently out of the office and will be back on 4 May. For urgent "
    "matters please contact "
    "Kim at kim@shop.example.\n\nBest regards\nLee Brown",
    "en-leave": "Thank you for your message. I'm on annual leave until Monday with no access to "
    "email. I will reply "
    "when I return.",
    "en-need": "I am out of the office this week. If you need immediate assistance, please contact "
    "Kim.",
    "en-travel": "I'm currently travelling with limited access to email. I'll get back to you "
    "soon.",
    "en-left": "I no longer work at Shop. Please direct your mails to kim@shop.example.",
    "de-days": "Vielen Dank für Ihre Nachricht. Ich bin vom 2. bis 9. März außer Haus.",
    "ko": "안녕하세요. 5월 4일까지 휴가 중입니다. 급한 용무는 김철수에게 연락 바랍니다.",
    "en-subject": "Automatic reply: Import\n\nI will answer next week.",
    "en-receipt": "Thank you for contacting Shop support. We have received your request (#4711) "
    "and will get back to "
    "you within two business days. Please do not reply to this message.",
    "en-help": "Thank you for reaching out! Our team has received your message and will reply "
    "soon. In "
    "the meantime, check our help center.",
    "en-ticket": "Your request (4711) has been received and is being reviewed by our support "
    "staff. To add additional "
    "comments, reply to this email.",
    "en-bounce": "Delivery has failed to these recipients or groups:\n\nkim@shop.example\nThe "
    "mailbox is full.",
    "de": "Guten Tag,\n\nich bin bis zum 4. Mai nicht im Büro. Ihre E-Mail wird nicht "
    "weitergeleitet. In dringenden "
    "Fällen wenden Sie sich bitte an Kim.\n\nMit freundlichen Grüßen\nLee Braun",
    "de-receipt": "Vielen Dank für Ihre Nachricht. Ihre Anfrage ist bei uns eingegangen und wird "
    "schnellstmöglich "
    "bearbeitet.",
    "fr": "Bonjour,\nJe suis absente du bureau jusqu'au 4 mai. En cas d'urgence, merci de "
    "contacter Kim.",
    "es": "Hola, estoy fuera de la oficina hasta el 4 de mayo. Para asuntos urgentes contacte con "
    "Kim.",
    "pt": "Olá, estarei ausente até 4 de maio. Em caso de urgência, contate Kim.",
    "it": "Buongiorno, sono fuori ufficio fino al 4 maggio. Per urgenze contattare Kim.",
    "nl": "Beste, ik ben tot 4 mei afwezig. Neem voor dringende zaken contact op met Kim.",
    "pl": "Dzień dobry, jestem poza biurem do 4 maja. W pilnych sprawach proszę skontaktować się z "
    "Kim.",
    "sv": "Hej! Jag är inte på kontoret före den 4 maj. Vid brådskande ärenden kontakta Kim.",
    "ja": "自動返信メールです。5月4日まで休暇をいただいております。"
    "緊急の場合は担当の田中までご連絡ください。",
    "zh": "我目前不在办公室，5月4日返回。紧急事务请联系李明。",
    "with-history": "I am out of office until 4 May.\n\nOn 4/7/26 09:15, Kim wrote:\n> The import "
    "fails.\n",
}


@pytest.mark.parametrize("text", AUTO_REPLIES.values(), ids=AUTO_REPLIES.keys())
def test_automatic_reply_is_no_evidence(text: str) -> None:
    assert found(text, "ticket") == []


@pytest.mark.parametrize(
    "text",
    [
        "Your auto-reply says you have received your request, but nobody answered for two weeks.",
        f"I am out of the office until Monday. {FAILS} Please fix it by then.",
        "The out-of-office setting cannot be changed in the app.",
        "We have received your update and the import still stops at row 40. Nothing works.",
        "When I am on vacation, I need the app to forward tickets to Kim.",
        "I got the message that the ticket has been created, but it was never shown.",
        "Your ticket 4711 has been created twice in our system.",
        "Ich bin im Urlaub und kann die App offline nicht nutzen.",
        "Je suis en vacances et l'application ne marche pas hors ligne.",
        "Please contact me soon, the import is urgent. I will be away from Friday.",
        "We have received your invoice. It has the wrong VAT number, please correct it.",
        "I'm on vacation until Monday. Before that, can you confirm the price? We need SSO too.",
        "I am on leave next month; can we pause the subscription?",
        "Ihre Antwort kam an, aber der Import geht nicht. Ich bin im Büro.",
    ],
)
def test_mails_about_absence_stay(text: str) -> None:
    assert found(text, "ticket") == text.split()
