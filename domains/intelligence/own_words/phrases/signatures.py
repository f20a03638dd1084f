"""Phrases of signatures, one line per language."""

from typing import Final

# A line that says goodbye; only a name may follow on the line.
CLOSINGS: Final = (
    r"(?:with )?(?:(?:my |our )?(?:very )?(?:(?:best|kind(?:est)?|warm(?:est)?) (?:regards|"
    r"wishes))|(?:all the )?best|regards|rgds|kr|br)(?: from \w+)?|sincerely(?: yours)?|"
    r"yours (?:sincerely|truly|faithfully)|cheers|respectfully|cordially|take care|"
    r"have a (?:great|nice|good) (?:day|week|weekend|one)",
    r"(?:many |best |kind )?thanks(?: (?:again|a lot|so much|very much|in advance))?(?: (?:and|&|"
    r"for your help and) (?:best|kind|warm)? ?regards)?|"
    r"thank you(?: (?:very|so) much)?(?: (?:again|in advance|for your (?:help|time|support)))?|"
    r"thx|ty",
    r"(?:mit )?(?:den )?(?:freundliche[nm]?|beste[nm]?|herzliche[nm]?|lieben?|vielen?|schönen?|"
    r"sonnigen?)(?: (?:und )?(?:freundlichen?|besten?))? gr(?:ü|ue|u)(?:ß|"
    r"ss)(?:en?)?(?: aus \w+)?|mfg|vg|lg|hochachtungsvoll|"
    r"(?:viele|liebe|beste|schöne) gr(?:ü|ue|u)(?:ß|ss)e(?: aus \w+)?|gruß|gruss|"
    r"(?:vielen|herzlichen|besten|schönen)? ?dank(?: (?:im voraus|vorab|und (?:viele )?grüße))?|"
    r"danke",
    r"(?:bien |très )?cordialement|bien à (?:vous|toi)|(?:meilleures|sincères) salutations|"
    r"amicalement|salutations distinguées|(?:bonne|belle) (?:journée|soirée)|"
    r"merci(?: (?:d['’]avance|beaucoup))?|cdlt|bàv|"
    r"(?:veuillez agréer|je vous prie d['’]agréer).{0,60}",
    r"(?:un )?(?:cordial(?:es)? )?(?:saludos?)(?: (?:cordial(?:es)?|atentos?))?|atentamente|atte|"
    r"(?:muchas |mil )?gracias(?: (?:de antemano|por su ayuda|y saludos))?|un abrazo|"
    r"quedo atent[oa]",
    r"atenciosamente|(?:com os )?(?:melhores )?cumprimentos|(?:um )?abraços?|att|cordialmente|"
    r"(?:muito )?obrigad[oa](?: (?:desde já|pela ajuda))?|grat[oa]",
    r"(?:cordiali|distinti|cari) saluti|(?:un )?(?:cordiale )?saluto|saluti|"
    r"(?:mille )?grazie(?: (?:mille|in anticipo))?|buona giornata|cordialmente",
    r"(?:met )?(?:vriendelijke?|hartelijke?) ?(?:groet(?:en|jes)?)|"
    r"(?:hartelijke )?groet(?:en|jes)?|mvg|"
    r"(?:hartelijk |alvast |veel )?(?:bedankt|dank)(?: alvast)?|hoogachtend",
    r"(?:z |serdecznie |łączę )?(?:pozdrawiam|pozdrowienia|pozdrowieniami|"
    r"wyrazami szacunku)(?: serdecznie)?|z poważaniem|(?:z góry )?dzięk(?:i|uję)",
    r"с уважением|с наилучшими пожеланиями|всего (?:доброго|хорошего)|"
    r"(?:заранее )?(?:большое )?спасибо",
    r"з повагою|(?:наперед )?дякую|с уважение|поздрави|благодаря",
    r"(?:med )?(?:vänlig(?:a|en)?|bästa|varma|venlig|vennlig|beste|de bedste) ?(?:hälsning(?:ar)?|"
    r"hilsen(?:er)?)|hälsningar|(?:mange )?hilsen(?:er)?|mvh|"
    r"(?:på forhånd |mange |tusen )?(?:tack|tak|takk)(?: (?:på förhand|för hjälpen))?",
    r"(?:ystävällisin|parhain) terveisin|terveisin|terv\.?|kiitos(?: etukäteen)?",
    r"s (?:pozdravem|přátelským pozdravem|úctou|pozdravom)|(?:předem |vopred )?děkuji|ďakujem|"
    r"hezký den",
    r"(?:tisztelettel|üdvözlettel|üdv|köszönettel|előre is köszönöm|köszönöm)",
    r"(?:saygılarım(?:ız)?la|saygılar|iyi çalışmalar|teşekkürler|selamlar|kolay gelsin)",
    r"cu (?:stimă|respect|drag)|(?:vă )?mulțumesc(?: anticipat)?|o zi bună",
    r"με εκτίμηση|φιλικά|ευχαριστώ(?: εκ των προτέρων)?|בברכה|בתודה|תודה(?: רבה)?|"
    r"مع (?:أطيب )?(?:التحيات|التحية|الشكر)|تحياتي|شكر[اًا]+|trân trọng|cảm ơn|salam|terima kasih",
    r"(?:どうぞ)?(?:宜|よろ)しくお願い(?:いた|致)?します|よろしくお願い申し上げます|以上|敬具|"
    r"ありがとうございます|お手数ですが.{0,20}お願い.{0,8}",
    r"此致(?: ?敬礼)?|敬礼|祝好|顺祝商祺|谢谢|多谢|謝謝|此致敬禮|順頌商祺|祝商祺",
    r"감사합니다|감사드립니다|안녕히 계세요|.{0,8} ?드림|수고하세요|고맙습니다",
)

# Greetings, to measure what else a note says.
GREETINGS: Final = (
    r"hi|hello|hey|dear|good (?:morning|afternoon|evening)",
    r"hallo|guten (?:tag|morgen)|sehr geehrte[rs]?|liebe[rs]?|moin|servus",
    r"bonjour|bonsoir|salut|cher|chère",
    r"hola|buen(?:os|as)? (?:días?|tardes)|estimad[oa]s?",
    r"olá|bom dia|boa tarde|prezad[oa]s?",
    r"ciao|buongiorno|salve|gentile|spett\.?(?:le)?",
    r"beste|geachte|goede(?:morgen|middag)|hoi",
    r"dzień dobry|cześć|witam|hej|hei|hallå|goddag|dobrý den|здравствуйте|добрый день|merhaba",
    r"お世話になっております.{0,10}|こんにちは|您好|你好|안녕하세요",
)

# How a line of a mobile mail program begins; a device or program must follow.
SENT_FROM: Final = (
    r"sent (?:from|via|using|with)",
    r"(?:von|mit|aus|über)(?: meinem| der| dem)?|gesendet (?:von|mit|über|aus)|"
    r"diese nachricht wurde von",
    r"envoyé (?:de|depuis|à partir de|avec)",
    r"envi(?:ado|ada) (?:desde|do|da|de|a partir do|pelo|con)",
    r"inviato (?:da|dal|con)",
    r"(?:verzonden|verstuurd) (?:vanaf|met|via|vanuit)",
    r"wysłan[eo] z|отправлено (?:с|из)|надіслано з|изпратено от",
    r"skickat från|sendt fra|lähetetty|odesl[aá]no z|odoslané z|küldve|trimis de (?:pe|la)",
    r"στάλθηκε από|نُشرت من|נשלח מ|나의|đã gửi từ|dikirim dari",
)

# Lines that advertise a mail program.
GET_PROGRAM: Final = (
    r"(?:get|download|hol(?:en)? sie sich|laden sie|obtenez|télécharge[rz]|obtener|obtenga|obter|"
    r"baixar|scarica|ottieni|ga naar|pobierz|скачать|skaffa|hämta|hent|få|hanki|stáhnout|下载) "
    r"(?:outlook|bluemail|aqua ?mail|proton ?mail|gmail|yahoo mail|spark) "
    r"(?:for|für|pour|para|per|voor|dla|для|för|til|pro) .{3,60}"
)

DEVICES: Final = (
    r"i-?phone|i-?pad|android|samsung|galaxy|huawei|xiaomi|pixel|blackberry|windows phone|"
    r"outlook|gmail|yahoo|proton ?mail|mail for windows|mail app|hotmail|gmx|web\.de|t-online|"
    r"mobile|mobiltelefon|smartphone|handy|phone|portable|móvil|celular|telemóvel|cellulare|"
    r"telefoon|telefonu|telefon|телефона|airmail|bluemail|k-9|spark|thunderbird|front|"
    r"superhuman|ios\b|手机|手機"
)

# Whole lines in languages that name the device first.
SENT_FROM_LAST: Final = (
    r"(?:von|mit) (?:meinem|der|dem|einem) .{3,40} gesendet",
    r".{3,40}から送信(?:されました)?|.{3,40}で送信",
    r".{2,40}에서 (?:보냄|전송됨|보낸 메일)",
    r".{3,30}(?:['’]\w{1,6})? (?:gönderildi|gönderilmiştir)|.{3,30}-?r[óő]l küldve|"
    r"lähetetty .{3,30}sta",
    r"(?:从|從)我的.{2,30}(?:发送|傳送)|(?:发|發|寄)自(?:我的)? ?[a-z].{2,30}",
)

# Words by which a line speaks, so that it is no part of a name block.
PRONOUNS: Final = (
    r"[iI](?!\.)|[iI]['’]\w+|we|my|our|you|your|it|is|are|was|does|doesn['’]t|don['’]t|can['’]t|"
    r"not|"
    r"please|when|"
    r"ich|wir|sie|mein|unser|ist|nicht|bitte|wenn|je|j['’]\w+|nous|vous|est|pas|"
    r"yo|nosotros|mi|está|no puedo|por favor|eu|nós|não|io|noi|non|è|ik|wij|niet|nie|jest|"
    r"jag|vi|inte|ikke|er|minä|emme|ei|я|мы|не"
)

# Entries of a company in public registers, and what such companies are called.
REGISTERS: Final = (
    r"registered (?:in|office|at|no|number|company)|company (?:no\b|number|reg)|"
    r"vat (?:no\b|id|reg|number)|geschäftsführe|amtsgericht|registergericht|hr[ab] ?\d|"
    r"ust-?id|sitz der gesellschaft|vorstand|handelsregister|aufsichtsrat|siège social|siret|"
    r"\brcs\b|capital (?:social|de)|n° ?tva|domicilio social|registro mercantil|\bcif\b|"
    r"\bnif\b|\bcnpj\b|sede (?:legale|social)|p\.? ?iva|partita iva|cap\. soc|\bkvk\b|btw-?n|"
    r"\bkrs\b|\bnip\b|regon|org\.? ?nr|cvr-?n|y-tunnus|огрн|инн\b"
)
COMPANIES: Final = (
    r"GmbH|AG|KG|UG|SE|e\.V\.|Ltd\.?|Limited|LLC|LLP|PLC|plc|Inc\.?|Corp\.?|S\.?A\.?S?|SARL|"
    r"S\.?L\.?|S\.?r\.?l\.?|S\.?p\.?A\.?|B\.?V\.?|N\.?V\.?|AB|A/S|ApS|AS|Oy|sp\. z o\.o\.|Lda|"
    r"ООО"
)
