"""Detection of the language of texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.intelligence.engine import analyse
from domains.intelligence.findings import Document
from domains.intelligence.language import detect, excerpt, unsupported_note

SHORT = {
    "en": (
        "The export fails every Monday.",
        "Where can I change my password?",
        "Please add a dark mode to the app.",
        "Our invoices were sent twice last month.",
    ),
    "de": (
        "Der Export bricht jeden Montag ab.",
        "Wo kann ich mein Passwort ändern?",
        "Bitte baut einen dunklen Modus ein.",
        "Unsere Rechnungen kamen letzten Monat doppelt an.",
    ),
    "fr": (
        "L'export échoue tous les lundis.",
        "Où puis-je changer mon mot de passe ?",
        "Merci d'ajouter un mode sombre.",
        "Impossible de se connecter depuis hier.",
    ),
    "es": (
        "La exportación falla todos los lunes.",
        "¿Dónde puedo cambiar mi contraseña?",
        "Por favor, añadan un modo oscuro.",
        "No puedo entrar en mi cuenta desde ayer.",
    ),
    "pt": (
        "A exportação falha toda segunda-feira.",
        "Onde posso alterar a minha senha?",
        "Por favor, adicionem um modo escuro.",
        "Não consigo entrar na minha conta desde ontem.",
    ),
    "it": (
        "L'esportazione non riesce ogni lunedì.",
        "Per favore, aggiungete una modalità scura.",
        "Il mese scorso le fatture sono state inviate due volte.",
        "Da ieri non riesco ad accedere al mio account.",
    ),
    "nl": (
        "De export mislukt elke maandag.",
        "Waar kan ik mijn wachtwoord wijzigen?",
        "Voeg alstublieft een donkere modus toe.",
        "Ik kan sinds gisteren niet meer inloggen.",
    ),
    "ja": (
        "毎週月曜日にエクスポートが失敗します。",
        "パスワードはどこで変更できますか？",
        "ダークモードを追加してください。",
        "昨日からログインできません。",
    ),
    "th": (
        "การส่งออกล้มเหลวทุกวันจันทร์",
        "ฉันจะเปลี่ยนรหัสผ่านได้ที่ไหน",
        "กรุณาเพิ่มโหมดมืด",
        "เข้าสู่ระบบไม่ได้ตั้งแต่เมื่อวาน",
    ),
    "pl": (
        "Eksport nie działa w każdy poniedziałek.",
        "Gdzie mogę zmienić swoje hasło?",
        "W zeszłym miesiącu faktury wysłano dwa razy.",
        "Od wczoraj nie mogę się zalogować.",
    ),
    "ko": (
        "매주 월요일마다 내보내기가 실패합니다.",
        "비밀번호는 어디에서 변경할 수 있나요?",
        "다크 모드를 추가해 주세요.",
        "어제부터 로그인할 수 없습니다.",
    ),
    "zh": ("每个星期一导出都会失败。", "上个月发票被发送了两次。"),
    "zh-Hant": ("每個星期一匯出都會失敗。", "上個月發票被寄送了兩次。"),
    "he": ("הייצוא נכשל בכל יום שני ואנחנו לא יכולים לשלוח את הדוחות.",),
}

GERMAN = (
    "Guten Tag, seit dem letzten Update dauert der Export unserer Berichte mehr als zehn Minuten. "
    "Manchmal bricht er ganz ab, und dann müssen wir von vorn beginnen."
)
FOOTER = "Sent from my phone. Please consider the environment before you print this message."


@pytest.mark.parametrize(
    ("language", "text"), [(language, text) for language in SHORT for text in SHORT[language]]
)
def test_a_short_text(language: str, text: str) -> None:
    assert detect(text) == language


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \r\n\t",
        "\0\x1b\ud800\udfff\ufffe",
        "🎉🎉🎉 👍🏽 👩‍👩‍👧",
        "12.03.2026 14:05 - 17 %",
        "Ok",
        "https://docs.example.com/exportieren/berichte?sprache=deutsch",
        "ana.ruiz@acme.example, bob@ours.example",
        # Names are no evidence of a language.
        "Photoshop, Twitter, Slack, Skype",
        "Hello Anil kumar 🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉",
    ],
)
def test_a_text_without_a_recognisable_language(text: str) -> None:
    assert detect(text) is None


@pytest.mark.parametrize(
    "text",
    [
        f"{GERMAN}\n\n-- \n{FOOTER}",
        f"{GERMAN} The button says “Save all changes”. {GERMAN}",
        f"{GERMAN}\n{SHORT['th'][0]} {SHORT['ja'][0]}",
        GERMAN.replace(" ", "\0 \ud83d "),
        GERMAN.replace("ü", "u\u0308"),
        f"{GERMAN} 🎉 https://status.example.com/incidents/latest?show=everything",
        "\n".join([FOOTER, *([GERMAN] * 500), FOOTER * 20]),
    ],
)
def test_the_prevailing_language(text: str) -> None:
    assert detect(text) == "de"


def test_quoted_mail_and_footers_do_not_count() -> None:
    reply = (
        "Bitte verschieben Sie den Termin auf Freitag.\n\n"
        "On Tue, Mar 10, 2026 at 9:12 AM Bob Ray <bob@ours.example> wrote:\n"
        "> We would like to show you the new reports tomorrow. They load much faster than before,\n"
        "> and you can share them with everybody in your company. Please tell us what you think.\n"
    )
    assert analyse(Document(reply, "support_ticket")).language == "de"


@given(
    st.text()
    | st.text(st.characters(categories=["Cs", "Cc", "Cf", "Cn", "Co"]))
    | st.lists(st.sampled_from([GERMAN, *SHORT["ja"], "\0", "\ud800", "\ufdd0", "a" * 9_000])).map(
        "".join
    )
)
def test_any_text_is_accepted_and_gives_the_same_language_again(text: str) -> None:
    language = detect(text)
    assert language == detect(text)
    assert language == detect(excerpt(text))
    assert len(excerpt(text)) < 6_010


@pytest.mark.parametrize(
    ("language", "engine", "has_note"),
    [
        ("th", "embedded/1.2-ab", True),
        ("th", "provider/small", False),
        ("th", None, False),
        ("de", "embedded/1.2-ab", False),
        (None, "embedded/1.2-ab", False),
    ],
)
def test_note(language: str | None, engine: str | None, *, has_note: bool) -> None:
    """Only results of the built-in engine in an unsupported language have a note."""
    assert (unsupported_note(language, engine) is not None) is has_note
