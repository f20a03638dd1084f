"""Phrases of boilerplate, one line per language or program."""

from typing import Final

# Kinds of statements in legal notices. A notice makes several of them. The first alone proves
# nothing: people write "this e-mail" too.
LEGAL_CUES: Final = (
    # Subjects of the notice
    r"\bthis (?:e-?mail|message|communication|transmission|document|information)\b|"
    r"\bdiese (?:e-?mail|nachricht|mail|mitteilung)\b|"
    r"\bc(?:e|et) (?:message|courriel|e-?mail|mail)\b|"
    r"\beste (?:correo|mensaje|e-?mail|documento)\b|\besta (?:mensagem|comunicación|e-?mail)\b|"
    r"\bquest[ao] (?:messaggio|e-?mail|comunicazione|mail)\b|"
    r"\b(?:dit|deze) (?:bericht|e-?mail|mail)\b|\b(?:ta|niniejsza) (?:wiadomość|korespondencja)\b|"
    r"\bdetta (?:meddelande|e-?post)\b|\bdenne (?:e-?mail|e-?post|meddelelse)\b|"
    r"\bэто (?:письмо|сообщение)\b|この(?:電子)?メール|本メール|本メッセージ|本邮件|此邮件|本郵件|"
    r"이 (?:이)?메일|본 (?:이)?메일",
    # Confidential or privileged
    r"confidential|legally privileged|privileged (?:and|information)|vertraulich|confidentie|"
    r"confiden[cz]i|confidenti[ëe]|vertrouwelijk|poufn|konfidentiell|fortrolig|конфиденциальн|"
    r"機密|秘密情報|保密|机密|기밀|luottamuksell|důvěrn|bizalmas|gizli|geschützte informationen",
    # For the addressee
    r"intended (?:only|solely|exclusively)|"
    r"(?:only|solely|exclusively) (?:intended )?for the (?:use|person|individual|addressee|named|"
    r"intended)|use of the (?:individual|addressee|intended|person)|addressee|intended recipient|"
    r"bestimmte[nr]? (?:empfänger|adressat)|ausschließlich für|"
    r"nur für (?:den|die) (?:adressat|empfänger)|destinataire|à l['’]intention|exclusivement|"
    r"destinatari|dirigid[oa] (?:exclusiva|única)|uso exclusivo|uitsluitend (?:bestemd|bedoeld)|"
    r"geadresseerde|przeznaczon|adresat|endast avsedd|адресат|предназначен|宛先の方|受信者|名宛人|"
    r"收件人|수신자|수신인",
    # Received in error
    r"not the (?:intended|named|correct|right) (?:recipient|addressee)|"
    r"(?:received|receive) (?:this|it)(?: \S+){0,3} (?:in error|by mistake)|"
    r"(?:in error|erroneously) (?:received|please)|"
    r"nicht der (?:richtige|beabsichtigte|vorgesehene)|irrtümlich|versehentlich erhalten|"
    r"par erreur|pas le destinataire|por error|no es (?:usted )?el destinatari|por engano|"
    r"por equívoco|não (?:é|for) o destinatári|per errore|non (?:è|siete|fosse) il destinatari|"
    r"ten onrechte|abusievelijk|niet de (?:beoogde|bedoelde|geadresseerde)|omyłkow|przez pomyłkę|"
    r"av misstag|ved en feil|ved en fejl|ошибочно|по ошибке|誤って|誤送|误收|错误地收到|误发|"
    r"잘못 (?:수신|전송)",
    # What to do then
    r"(?:notify|inform|contact|advise) (?:the sender|us|me)\b|"
    r"(?:delete|destroy) (?:this|the|it|all)\b|(?:and|then) delete|"
    r"informieren sie (?:bitte )?(?:sofort |umgehend |unverzüglich )?den absender|vernichten sie|"
    r"löschen sie diese|(?:avertir|informer|prévenir|"
    r"aviser) (?:immédiatement )?l['’](?:expéditeur|émetteur)|"
    r"(?:le |de le )(?:supprimer|détruire)|notifi\w+ (?:\w+ )?(?:al|o|inmediata)|"
    r"(?:elimin|borr|destru)\w+ (?:el|este|esta|o|a)|"
    r"(?:avvisa|informa|avvert)\w+ (?:\w+ )?(?:il mittente)|(?:cancell|distrugg|elimin)\w+|"
    r"(?:afzender|verwijder|vernietig)\w*|nadawc\w+|usuni\w+|avsändare|radera|afsender|уведом\w+|"
    r"удал\w+|削除|破棄|删除|刪除|销毁|삭제|통보",
    # What is forbidden
    r"(?:strictly |is |are )?(?:prohibited|unauthori[sz]ed|forbidden)|"
    r"(?:disclos|disseminat|distribut|copy)(?:e|ing|ion|ure)[\w ,]{0,60}(?:prohibited|forbidden|"
    r"unlawful|not permitted)|unerlaubte|unbefugte|nicht gestattet|"
    r"(?:est |sont )?(?:strictement )?interdit|"
    r"(?:queda |está |é |è )?(?:estrictamente |estritamente )?(?:prohibid|proibid|vietat)\w+|"
    r"niet toegestaan|verboden|zabronion|förbjud|forbudt|запрещ|禁止|禁じ|금지",
    # No liability
    r"(?:accepts?|assumes?) no (?:liability|responsibility)|"
    r"(?:not|cannot|don['’]t) (?:accept|be held|assume)[\w ]{0,30}(?:liab|respons)|"
    r"(?:liability|liable|responsibility) for any|"
    r"(?:übernehmen|übernimmt|haften?)[\w ]{0,40}(?:keine|nicht|haftung)|"
    r"décline[\w ]{0,30}responsabilité|no (?:se hace|acepta|asume)[\w ]{0,30}respons|"
    r"não (?:se responsabiliza|nos responsab)|"
    r"(?:declina|non (?:si )?assume)[\w ]{0,30}responsabilit|aanvaard\w* geen|niet aansprakelijk|"
    r"nie ponosi|責任を負い|不承担|책임을 지지",
    # Viruses, opinions, privacy law
    r"(?:caused by|free (?:of|from)|scanned for|checked for|"
    r"transmitted by) (?:any )?(?:computer )?virus|views (?:or|and) opinions|opinions expressed|"
    r"do not necessarily (?:represent|reflect)|data protection|\bgdpr\b|\brgpd\b|\bdsgvo\b|viren|"
    r"virenfrei|2016/679|protección de datos|proteção de dados|trattamento dei dati|"
    r"opinioni espresse|opinions exprimées|informatique et libert",
)

# Stems of which every notice has one, in lower case: a fast test before the patterns above.
LEGAL_STEMS: Final = (
    "confid privileged vertraulich vertrouwelijk poufn konfident fortrolig luottamuk důvěrn "
    "bizalmas gizli legal légal riservat privacy recipient addressee empfänger adressat "
    "destinat geadresseerde adresat mistake error irrtümlich erreur errore engano onrechte "
    "omyłkow misstag liab haft respons aansprakelijk virus viren opinion disclaimer 2016/679 "
    "gdpr rgpd dsgvo конфиденциальн адресат 機密 秘密 保密 机密 기밀 宛先 受信者 名宛人 收件人 수신"
)

# Words that open a notice.
LEGAL_OPENINGS: Final = (
    r"(?:e-?mail |legal |important )?(?:confidentiality|disclaimer|privileged)\b.{0,30}[:.\-–—*]",
    r"(?:confidentiality|legal|privacy|important) (?:notice|note|statement|warning)",
    r"(?:wichtiger |rechtlicher |vertraulichkeits)hinweis|haftungsausschluss|disclaimer",
    r"(?:avis|mention|clause) (?:de confidentialité|légale|important)",
    r"aviso (?:legal|de (?:confidencialidad|privacidad|confidencialidade))|"
    r"cláusula de (?:confidencial|privac)",
    r"(?:avviso|nota|informativa) (?:di riservatezza|legale|sulla privacy|privacy)|"
    r"vertrouwelijkheids|klauzula|уведомление о конфиденциальности|免责声明|保密|免責事項",
)

# Footers of mailing lists, help desks, scanners and mail programs.
FOOTERS: Final = (
    r"(?:to |you can (?:also )?|click (?:here )?to )unsubscribe\b.{0,200}|"
    r"unsubscribe(?: (?:here|instantly)| from (?:this|these|all|our) .{1,60}|"
    r" ?[|:•·-].{0,160})?[.!]?$",
    r"if you (?:no longer (?:wish|want)|do not want|don['’]t want|would prefer not) to (?:receive|"
    r"get) (?:these|this|such|further|future|any (?:more|further)|e-?mails?|our|mail|messages|"
    r"notifications|newsletters?)\b.{0,200}",
    r"you (?:are receiving|received|are getting) this (?:e-?mail|message|because).{0,200}",
    r"this (?:e-?mail|message) was sent (?:to|by|from|because).{0,200}",
    r"(?:manage|update|change) (?:your )?(?:e-?mail |notification |subscription )?(?:preferences|"
    r"settings)\b.{0,80}$",
    r"view (?:this (?:e-?mail|message) )?(?:in (?:your|a) browser|online|it on github).{0,80}$",
    r"reply to this e-?mail (?:directly|to (?:respond|reply|comment|add)).{0,200}",
    r"(?:this e-?mail is a service from|delivered by zendesk|powered by (?:freshdesk|zendesk|"
    r"intercom|help ?scout|hubspot|front|jira|zoho)).{0,160}",
    r"\[?(?:image|cid|logo|signature)[:_][^\]]{0,80}\]$",
    r"(?:ticket|case|message)[- ]?(?:id|ref|reference|#)[: ]+[\[{(]?[\w-]{4,60}[\])}]?$",
    r"(?:this (?:e-?mail|message) (?:has been|was) (?:scanned|checked)|virus-free|scanned by|"
    r"checked by avg|no virus found).{0,200}",
    r"(?:diese (?:e-?mail|nachricht) wurde (?:von|auf|mit)[\w .]{0,40}(?:viren|geprüft|gescannt)|"
    r"virenfrei|dieses e-?mail wurde .{0,20}virus).{0,200}",
    r"(?:garanti sans virus|l['’]absence de virus|ce(?:t| message).{0,30}vérifié).{0,200}",
    r"(?:libre de virus|este correo .{0,40}(?:virus|analizado)|este e-?mail foi (?:verificado|"
    r"escaneado)|livre de vírus|privo di virus|mail priva di virus|"
    r"questa e-?mail è stata controllata|virusvrij|wolne? od wirusów|без вирусов|"
    r"проверено).{0,200}",
    r"(?:please )?(?:consider|think (?:of|about)) the environment before printing.{0,120}",
    r"(?:bitte )?(?:denken|prüfen) sie.{0,60}(?:umwelt|ausdruck|drucken).{0,120}",
    r"(?:pensez|merci de penser) à l['’]environnement.{0,120}|.{0,40}avant d['’]imprimer.{0,100}",
    r"(?:por favor,? )?(?:piense|antes de imprimir|pense).{0,120}(?:ambiente|imprimir).{0,60}",
    r"(?:denk aan het milieu|pensa all['’]ambiente|prima di stampare|"
    r"rispetta l['’]ambiente).{0,120}",
    r"(?:um (?:sich|den newsletter) .{0,60})?(?:abmelden|abbestellen)\b.{0,20}(?:klick|hier|link|"
    r"http).{0,120}",
    r"sie (?:erhalten|haben) diese (?:e-?mail|nachricht)\b.{0,40}(?:weil|da sie).{0,200}",
    r"(?:pour )?(?:se désabonner|vous désabonner|vous désinscrire|désinscription).{0,160}",
    r"vous recevez (?:ce(?:t)?) (?:e-?mail|message|courriel).{0,30}(?:car|parce).{0,160}",
    r"(?:para )?(?:darse de baja|cancelar (?:su|la|a sua) (?:suscripción|inscrição|assinatura)|"
    r"descadastrar).{0,160}",
    r"(?:recib(?:e|es|iste) este (?:correo|mensaje) porque|você recebeu (?:este|esta)).{0,160}",
    r"(?:per )?(?:cancellar(?:e|ti|si)|annullare) (?:l['’]|la )?(?:iscrizione|"
    r"sottoscrizione)?.{0,20}(?:clic|qui|link).{0,120}|"
    r"hai ricevuto questa (?:e-?mail|mail).{0,160}",
    r"(?:om )?(?:u |je )?(?:af te melden|uitschrijven|afmelden).{0,120}(?:klik|hier|link).{0,60}",
    r"(?:aby )?(?:zrezygnować z subskrypcji|wypisać się).{0,120}|отписаться.{0,120}|"
    r"配信停止.{0,80}|退订.{0,60}|取消订阅.{0,60}|수신 ?거부.{0,60}",
)

# Sentences that mail servers put above a mail from outside.
BANNERS: Final = (
    r"(?:caution|warning|attention|notice|alert|external|"
    r"important)?[\s:!*_\])-]*(?:this (?:e-?mail|message|mail) (?:originated|originates|comes|"
    r"came|was sent|is) from (?:outside|an external|someone outside)|(?:external|"
    r"outside) (?:e-?mail|sender|message)\b[:.!]).{0,160}",
    r"(?:do not|don['’]t|never|please do not) click (?:on )?(?:any )?(?:links?|"
    r"attachments?).{0,200}",
    r"(?:exercise|use) caution .{0,60}(?:links?|attachment|e-?mail|sender|respond|reply).{0,120}",
    r"you don['’]t often get e-?mail from .{0,200}|learn why this is important.{0,60}",
    r"(?:achtung|vorsicht|hinweis|warnung|extern)?[\s:!*_\])-]*(?:diese (?:e-?mail|"
    r"nachricht) (?:stammt|kommt|wurde) von (?:außerhalb|einem externen|extern)).{0,160}|"
    r"(?:klicken|öffnen) sie (?:nicht|keine|nur).{0,160}|"
    r"sie erhalten nicht (?:oft|häufig) e-?mails? von.{0,160}",
    r"(?:attention|avertissement|prudence|externe)?[\s:!*_\])-]*(?:ce (?:courriel|message|mail)|"
    r"cet e-?mail) (?:provient|vient|a été envoyé|est) (?:de l['’]ext|d['’]un).{0,160}|"
    r"ne cliquez pas.{0,160}",
    r"(?:precaución|atención|aviso|externo|cuidado|atenção)?[\s:!*_\])-]*(?:este (?:correo|"
    r"mensaje|e-?mail)|esta mensagem) (?:se originó|proviene|procede|es|foi enviad|veio|"
    r"originou).{0,20}(?:fuera|extern|fora).{0,160}",
    r"(?:attenzione|avviso|esterno)?[\s:!*_\])-]*(?:questa e-?mail|questo messaggio) (?:proviene|"
    r"arriva|è stat[ao]).{0,20}(?:estern).{0,160}",
    r"(?:let op|waarschuwing|extern)?[\s:!*_\])-]*(?:deze e-?mail|dit bericht) (?:is|"
    r"komt) .{0,20}(?:buiten|extern).{0,160}",
    r"(?:uwaga)?[\s:!*_\])-]*ta wiadomość pochodzi (?:spoza|z zewnątrz).{0,160}|"
    r"внимание[\s:!]*.{0,20}внешн.{0,160}|【?(?:社外|外部)(?:から|メール).{0,100}|"
    r"(?:注意|警告).{0,10}外部.{0,100}",
)

# Tags in front of a subject or text.
SUBJECT_TAGS: Final = (
    r"(?<=\[)(?:external|extern[eo]?|ext|outside|esterno|externe mail|caution)(?=\])|"
    r"(?<=\*)external(?=\*)|external (?:e-?mail|sender)(?=[:\]])",
)
