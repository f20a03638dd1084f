"""Phrases by which mail programs introduce quoted mail, one line per language."""

import re
from typing import Final

# How an attribution opens, and its verb: "On 3 March, Ana wrote:". The verb ends the line, or is
# followed by a name or an address.
ATTRIBUTIONS: Final = {
    "ar": (r"(?:في|بتاريخ)\b", r"كتب(?:ت)?"),
    "bg": (r"На\b", r"(?:написа|пише)"),
    "ca": (r"(?:El|Missatge de)\b", r"va escriure"),
    "cs": (r"(?:Dne|(?:po|út|st|čt|pá|so|ne)\b)", r"(?:napsala?|napsal\(a\)|píše)"),
    "da": (r"(?:Den|On|(?:man|tirs?|ons|tors?|fre|lør|søn)\b)", r"skrev"),
    "de": (r"(?:Am|On|Gesendet am|Von)\b", r"(?:schrieb(?:en)?|geschrieben|schreibt)"),
    "el": (r"(?:Στις|Την|Στις)\b", r"έγραψε"),
    "en": (r"(?:On|At|In)\b", r"w(?:rote|rites)(?: the following)?"),
    "es": (r"(?:El|En|Con fecha)\b", r"(?:escribió|escribio|ha escrito)"),
    "fi": (r"(?:(?:ma|ti|ke|to|pe|la|su)\b|\d)", r"(?:kirjoitti|kirjoittaa)"),
    "fr": (r"(?:Le|En date d)", r"(?:a|à) (?:écrit|ecrit)"),
    "he": (r"(?:בתאריך|ב)", r"(?:כתב|כתבה|מאת)"),
    "hu": (r"(?:\d{4}\.|.{1,60} ezt)", r"(?:ezt írta|írta)"),
    "id": (r"Pada\b", r"menulis"),
    "it": (r"(?:Il|Il giorno|In data|Da)\b", r"(?:ha|hai) scritto"),
    "ja": (r"(?:\d{4}年|\d{4}[/-]\d)", r"(?:[>＞)）](?: ?のメール)?(?=[:：])|書きました)"),
    "ko": (r"(?:\d{4}년|\d{4}[./-])", r"(?:님이 )?(?:작성|썼습니다|쓴 글)"),
    "mutt": (r"\* [^<]{1,60}<", r"\](?=:)"),
    "nl": (r"(?:Op|Van)\b", r"(?:schreef|geschreven|het volgende geschreven)"),
    "no": (r"(?:Den|(?:man|tir|ons|tor|fre|lør|søn)\.?\b)", r"skrev"),
    "pl": (r"(?:W dniu|Dnia|(?:pon|wt|śr|czw|pt|sob|niedz)\b)", r"(?:napisał(?:a|\(a\))?|pisze)"),
    "pt": (r"(?:Em|A|No dia|Na|Dia)\b", r"(?:escreveu|escreveram)"),
    "ro": (r"(?:Pe|În|La data)\b", r"a scris"),
    "ru": (
        r"(?:\d|(?:пн|вт|ср|чт|пт|сб|вс)\b|В\b)",
        r"(?:написал(?:а|\(а\))?|пишет|писал\(?а?\)?)",
    ),
    "ru-gmail": (r"(?:пн|вт|ср|чт|пт|сб|вс|\w{4,10}(?:ник|да|рг|ца|та|нье)), \d", r">(?=:)"),
    "sk": (r"(?:Dňa|(?:po|ut|st|št|pi|so|ne)\b)", r"(?:napísala?|napísal\(a\))"),
    "sv": (r"(?:Den|(?:mån|tis|ons|tors?|fre|lör|sön)\b)", r"skrev"),
    "tr": (r"(?:\d|.{1,60}tarihinde)", r"(?:şunu|şunları|yazdı|yazmış)"),
    "uk": (r"(?:\d|(?:пн|вт|ср|чт|пт|сб|нд)\b)", r"(?:пише|написав|написала)"),
    "vi": (r"(?:Vào|Ngày)\b", r"(?:đã viết|viết)"),
    "zh": (r"(?:\d{4}[年/-]|在|于|On\b|.{1,60}[于於在]\s?\d{4})", r"(?:写道|寫道|撰写|写到)"),
}

# Labels of a quoted mail's head: sender | sent | recipient | copy | subject.
_HEADERS: Final = {
    "ar": "من | تاريخ الإرسال, تم الإرسال, التاريخ | إلى | نسخة | الموضوع",
    "bg": "От | Изпратено, Дата | До | Копие | Относно, Тема",
    "cs": "Od | Odesláno, Datum | Komu | Kopie | Předmět",
    "da": "Fra | Sendt, Dato | Til | Cc, Kopi | Emne",
    "de": "Von | Gesendet, Gesendet am, Datum | An | Cc, Kopie | Betreff",
    "el": "Από | Στάλθηκε, Εστάλη, Ημερομηνία | Προς | Κοιν. | Θέμα",
    "en": "From | Sent, Date, Sent on | To | Cc, Bcc | Subject",
    "es": "De | Enviado, Enviado el, Enviada, Fecha | Para | CC | Asunto",
    "fi": "Lähettäjä | Lähetetty, Päivämäärä, Päiväys | Vastaanottaja | Kopio | Aihe",
    "fr": "De | Envoyé, Envoyé le, Date | À, A, Destinataire | Cc | Objet, Sujet",
    "he": "מאת | נשלח, תאריך | אל | עותק | נושא",
    "hu": "Feladó | Elküldve, Küldve, Dátum | Címzett | Másolatot kap | Tárgy",
    "it": "Da | Inviato, Data | A | Cc | Oggetto",
    "ja": "差出人, 送信元, 送信者 | 送信日時, 日付, 日時 | 宛先 | CC | 件名",
    "ko": "보낸 사람, 보낸사람, 발신 | 보낸 날짜, 날짜, 보냄 | "
    "받는 사람, 받는사람, 수신 | 참조 | 제목",
    "nl": "Van | Verzonden, Datum | Aan | Cc | Onderwerp",
    "no": "Fra | Sendt, Dato | Til | Kopi | Emne",
    "pl": "Od, Nadawca | Wysłano, Wysłane, Data | Do | DW, Cc, UDW | Temat",
    "pt": "De | Enviado, Enviada, Enviado em, Enviada em, Data | Para | Cc | Assunto",
    "ro": "De la, Expeditor | Trimis, Data | Către, La | Cc | Subiect",
    "ru": "От, От кого | Отправлено, Дата | Кому | Копия | Тема",
    "sk": "Od | Odoslané, Dátum | Komu | Kópia | Predmet",
    "sv": "Från | Skickat, Datum | Till | Kopia | Ämne",
    "th": "จาก | ส่ง, วันที่ | ถึง | สำเนา | เรื่อง",
    "tr": "Kimden, Gönderen | Gönderildi, Gönderme Tarihi, Tarih | Kime, Alıcı | Bilgi | Konu",
    "uk": "Від | Надіслано, Дата | Кому | Копія | Тема",
    "vi": "Từ | Đã gửi, Ngày | Đến, Tới | Cc | Chủ đề, Tiêu đề",
    "zh": "发件人, 寄件者, 寄件人 | 发送时间, 发送日期, 日期, 寄件日期, 傳送時間, 时间 | "
    "收件人, 收件者 | 抄送, 副本 | 主题, 主題, 主旨",
}  # fmt: skip
_KINDS: Final = ("sender", "sent", "recipient", "copy", "subject")
_OTHER_HEADERS: Final = (
    "reply-to, organization, organisation, importance, priority, attachments, wichtigkeit, anlagen,"
    "priorität, antwort an, importance, pièces jointes, importancia, datos adjuntos, anexos,"
    "priorità, allegati, bijlagen, urgentie, ważność, załączniki, важность, вложения, "
    "重要度, 添付, 附件, 重要性, 첨부"
)


def _header_kinds() -> dict[str, str]:
    kinds = {label.strip(): "other" for label in _OTHER_HEADERS.split(",")}
    for row in _HEADERS.values():
        for kind, labels in zip(_KINDS, row.split("|"), strict=True):
            kinds |= {label.strip().lower(): kind for label in labels.split(",")}
    return kinds


HEADER_KINDS: Final = _header_kinds()
"""Kind of a header by its label in lower case: sender, sent, recipient, copy, subject, other."""

# Lines above a forwarded mail.
FORWARDED: Final = (
    r"(?:begin )?forwarded (?:message|mail)(?: follows)?",
    r"(?:anfang der )?weitergeleiteten? (?:nachricht|e-?mail)",
    r"(?:début d[ue] )?(?:message|courriel) (?:transféré|réexpédié)",
    r"(?:inicio del? )?mensaje (?:reenviado|remitido)",
    r"(?:início da )?mensagem (?:re)?encaminhada",
    r"(?:inizio )?(?:messaggio|email) inoltrat[oa]",
    r"(?:begin )?doorgestuurd (?:bericht|e-?mail)",
    r"(?:wiadomość przekazana|przekazana wiadomość|początek przekazanej wiadomości)",
    r"(?:начало )?(?:пересылаем|переслан|переадресованн)\w+ сообщени[ея]",
    r"転送(?:された)?メッセージ|転送メール",
    r"(?:转发邮件|转发的邮件|已转发邮件|轉寄郵件|轉寄的郵件|转发邮件信息|轉寄訊息)",
    r"전달된 (?:메시지|메일)",
    r"vidarebefordrat (?:meddelande|brev)(?: början)?",
    r"videresendt (?:meddelelse|besked|melding)",
    r"(?:välitetty viesti|přeposlaná zpráva|preposlaná správa|továbbított (?:üzenet|levél))",
    r"(?:forwarded by|weitergeleitet von|transféré par|reenviado por|inoltrato da) .{3,80}",
    r"(?:yönlendirilen|iletilmiş|iletilen) (?:mesaj|ileti)|mesaj redirecționat|"
    r"переслане повідомлення",
)

# Lines above the mail that is answered.
ORIGINAL: Final = (
    r"original (?:message|e-?mail|appointment)|previous (?:message|conversation)|reply separator",
    r"ursprüngliche (?:nachricht|e-?mail)|original-?nachricht|originalmail",
    r"message (?:d['’]origine|original|initial)|courriel d['’]origine",
    r"mensaje original|correo original|mensagem original",
    r"messaggio (?:originale|originario)",
    r"oorspronkelijke? (?:bericht|e-?mail)|origineel bericht",
    r"(?:oryginalna wiadomość|wiadomość oryginalna)",
    r"исходное сообщение|оригинальное сообщение|вихідне повідомлення",
    r"元のメッセージ|元のメール|原文",
    r"原始邮件|原邮件|原始郵件|原始信件",
    r"원본 (?:메시지|메일)|원본메일",
    r"(?:ursprungligt meddelande|originalmeddelande|oprindelig (?:meddelelse|besked)|"
    r"opprinnelig melding)",
    r"(?:alkuperäinen viesti|původní zpráva|pôvodná správa|eredeti üzenet|mesaj(?:ul)? original)",
    r"(?:orijinal|özgün) (?:mesaj|ileti)|αρχικό μήνυμα",
)

# Lines of help desks: what stands below is not the writer's.
REPLY_ABOVE: Final = (
    r"(?:please )?(?:type|write|enter|add|put|leave|send)?\s?(?:your |a )?(?:reply|response|"
    r"answer|comment|respond|write|type)(?: to this (?:e-?mail|message))? above(?: (?:this|"
    r"the) (?:\w+ )?line(?:[\s.,:–-]+(?:to|in order|and|or|if)\b.{0,60})?| (?:here|this (?:text|"
    r"message)))?",
    r"to (?:reply|respond|comment|add a comment),? .{0,30}above this line.{0,60}",
    r"(?:bitte )?(?:antworten sie|geben sie ihre antwort|schreiben sie|ihre antwort|"
    r"antwort(?:en)?)(?: bitte)? (?:oberhalb|über) diese[rn]? (?:zeile|linie).{0,60}",
    r"(?:veuillez |merci de |s['’]il vous plaît )?(?:saisi\w+|rédige\w+|écri\w+|tape\w+|répond\w+|"
    r"entre\w+)(?: votre réponse)? au[- ]dessus de cette ligne.{0,60}",
    r"(?:por favor,? )?(?:escrib|respond|contest|introduz)\w+(?: (?:su|"
    r"tu) respuesta)? (?:por )?(?:encima|arriba) de esta línea.{0,60}",
    r"(?:por favor,? )?(?:digit|escrev|respond|insir)\w+(?: (?:a )?sua resposta)? acima d(?:est|"
    r"ess)a linha.{0,60}",
    r"(?:per favore,? )?(?:scriv|rispond|inseri|digit)\w+(?: la (?:tua|"
    r"sua) risposta)? (?:al di )?sopra (?:di )?(?:questa|a questa) (?:riga|linea).{0,60}",
    r"(?:gelieve |typ |plaats )?(?:uw |je )?(?:antwoord|reactie|reageer|"
    r"antwoorden)(?: alstublieft)? boven deze (?:regel|lijn).{0,60}",
    r"(?:proszę )?(?:odpowied\w+|wpis\w+|pis\w+)(?: odpowiedź)? (?:powyżej|"
    r"nad) tej? lini\w+.{0,60}",
    r"(?:пожалуйста, )?(?:ответ|введите|пишите|напишите)\w*(?: (?:ваш )?ответ)? выше (?:этой|"
    r"данной) (?:линии|строки|черты).{0,60}",
    r"(?:返信は|返信を)?こ(?:の)?(?:行|線)(?:の|より)上.{0,40}",
    r"请?在(?:此|该|这)(?:行|线)(?:上方|之上|以上|上面).{0,40}",
    r"이 (?:줄|선|라인) 위에.{0,40}",
    r"(?:svara|skriv)(?: ditt svar)? ovanför (?:den här |denna )?(?:raden|linjen?|rad).{0,60}",
    r"(?:svar|skriv)(?: dit svar| svaret)? over denne linj[ea]n?.{0,60}",
)

# A note by which someone only passes a mail on.
COVER_NOTE: Final = re.compile(
    r"\b(?:fyi|f\.y\.i|fya|see below|below|forward(?:ing|ed)?|fwd|passing (?:this )?on|sharing|"
    r"zur info(?:rmation)?|z\.? ?k\.?|z\.? ?hd|siehe unten|s\.u\.|unten|weitergeleitet|anbei|"
    r"pour info(?:rmation)?|p\.?i|ci-dessous|transf[eé]r\w+|je te transmets|para (?:su|tu|"
    r"sua) (?:información|informação|conhecimento)|reenví\w+|ver abajo|a continuación|"
    r"segue abaixo|abaixo|encaminh\w+|per conoscenza|vedi sotto|inoltr\w+|qui sotto|"
    r"ter info(?:rmatie)?|zie onder|hieronder|do wiadomości|poniżej|för kännedom|se nedan|"
    r"til orientering|se nedenfor|tiedoksi|k vědomí|bilgine|bilginize|к сведению|см\. ниже|"
    r"ниже)\b|ご参考|転送します|以下|请看下|供参考|见下|轉寄|참고|아래",
    re.IGNORECASE,
)

# Words of a reply, which passes nothing on.
REPLY_NOTE: Final = re.compile(
    r"\b(?:answer|repl(?:y|ies)|comment|inline|antwort|kommentar|réponse|respuesta|resposta|"
    r"rispost|antwoord|odpowied|ответ|svar|thank|thx|dank|merci|gracias|obrigad|grazie|bedankt|"
    r"dzięk|спасибо|дякую|tack|tak|takk|kiitos|děkuj|ďakuj|köszön|teşekkür|mulțum|ευχαριστ|cảm ơn|"
    r"terima kasih)|回答|返信|回复|답변|ありがとう|谢谢|謝謝|감사|고맙",
    re.IGNORECASE,
)
