"""Phrases of automatic replies, one line per language."""

from typing import Final

# First lines that no person writes.
CERTAIN: Final = (
    r"(?:subject: ?)?(?:automatic reply|auto(?:matic)?[- ]?(?:reply|response)|"
    r"out of (?:the )?office(?: auto-?reply)?|autoreply) ?(?::|$)",
    r"(?:betreff: ?)?(?:automatische antwort|abwesenheitsnotiz|abwesenheitsassistent) ?(?::|$)",
    r"(?:objet ?: ?)?(?:réponse automatique|absence du bureau|message d['’]absence) ?(?::|$)",
    r"(?:asunto: ?)?(?:respuesta automática|fuera de (?:la )?oficina) ?(?::|$)",
    r"(?:assunto: ?)?(?:resposta automática|fora do escritório) ?(?::|$)",
    r"(?:oggetto: ?)?(?:risposta automatica|fuori sede|fuori ufficio) ?(?::|$)",
    r"(?:onderwerp: ?)?(?:automatisch antwoord|afwezigheidsbericht) ?(?::|$)",
    r"(?:temat: ?)?(?:odpowiedź automatyczna|automatyczna odpowiedź) ?(?::|$)",
    r"(?:автоматический ответ|автоответ|autosvar|automaattinen vastaus|automatická odpověď|"
    r"automatikus válasz|otomatik (?:yanıt|cevap)|räspuns automat) ?(?::|$)",
    r"(?:件名: ?)?(?:自動(?:応答|返信)|不在通知)|自动(?:回复|答复) ?(?::|：|$)|"
    r"자동 (?:회신|응답) ?(?::|$)",
    r"(?:subject: ?)?(?:undeliverable|undelivered mail returned|mail delivery (?:failed|"
    r"subsystem)|delivery status notification|returned mail|unzustellbar) ?[:( ]",
    r"(?:delivery has failed to these recipients|"
    r"this message was created automatically by mail delivery|"
    r"your message (?:to .{1,80} )?(?:couldn['’]t|could not) be delivered)",
)

# Sentences that make a text an automatic reply.
STRONG: Final = (
    r"\b(?:i am|i['’]m|i will be|i['’]ll be|i['’]m currently)(?: \w+){0,2} (?:out of (?:the "
    r")?office|away from (?:the|my) (?:office|desk)|ooo|on (?:annual |parental |maternity |"
    r"paternity |sick )?(?:leave|vacation|holidays?|pto)|on a business trip|away (?:until|from|on|"
    r"with)|travell?ing (?:with|until|and|from|for))",
    r"^(?:i am |i['’]m )?(?:currently )?(?:out of (?:the )?office|ooo|on (?:vacation|"
    r"leave)) (?:until|from|till|through|and)",
    r"\b(?:i|is|am|are) no longer (?:work|with the|employed|at the|part of)",
    r"(?:our|the) offices? (?:is|are|will be) closed (?:from|until|on|for)",
    r"this is an auto(?:mated|matic|-generated|matically generated) (?:reply|response|message|"
    r"e-?mail|notification|acknowledge?ment)|"
    r"this (?:e-?mail|message) (?:was|is) (?:sent |generated )?automatically",
    r"(?:our team|we) (?:has|have) received your|"
    r"your (?:message|e-?mail|request)(?: \S{1,20}){0,3} has been received|"
    r"(?:we(?:['’]ve| have)?|has been|was) (?:successfully )?received (?:your|and (?:is|will|"
    r"a ticket))|we(?:['’]ve| have)? received your (?:e-?mail|message|request|ticket|inquiry|"
    r"enquiry|query)|your (?:request|ticket|case|message|e-?mail|inquiry|"
    r"enquiry)(?: \S{1,20})? (?:has been|was) (?:received|created|logged|registered|"
    r"opened)(?=\W*(?:$|[.!,(#:]|and\b|with\b|as\b|by\b|under\b))|"
    r"a (?:support )?ticket has been (?:created|opened|logged)",
    r"ich (?:bin|befinde mich) (?:\w+ ){0,4}(?:bis|vom|ab|derzeit|zurzeit|momentan|aktuell|"
    r"im urlaub|in elternzeit|nicht (?:im (?:büro|haus|dienst)|erreichbar)|außer haus|abwesend)|"
    r"(?:nicht (?:im büro|im haus)|außer haus|abwesend) (?:bis|vom)|"
    r"dies ist eine automatische? (?:antwort|nachricht|e-?mail|bestätigung)",
    r"(?:ihre|deine) (?:anfrage|nachricht|e-?mail|"
    r"ticket)(?: \S{1,20})? (?:ist (?:bei uns )?eingegangen|wurde (?:empfangen|registriert|"
    r"erstellt))|wir haben (?:ihre|deine) \w+ .{0,40}(?:erfasst|registriert|aufgenommen)|"
    r"wir haben (?:ihre|deine) (?:anfrage|nachricht|e-?mail) (?:erhalten|bekommen)",
    r"je (?:suis|serai) (?:\w+ ){0,2}(?:absente?|en congés?|en déplacement|hors du bureau|"
    r"en vacances)|ceci est (?:une réponse|un message) automatique|"
    r"nous avons bien reçu (?:votre|ta)|"
    r"votre (?:demande|message|ticket)(?: \S{1,20})? a (?:bien )?été (?:reçue?|enregistrée?|"
    r"créée?)",
    r"(?:estoy|estaré|me encuentro|me encontraré) (?:\w+ ){0,2}(?:fuera de (?:la )?oficina|"
    r"de vacaciones|ausente)|este es un (?:mensaje|correo) automático|hemos recibido (?:su|tu)|"
    r"(?:su|tu) (?:solicitud|mensaje|ticket|consulta)(?: \S{1,20})? ha sido (?:recibid|cread|"
    r"registrad)",
    r"(?:estou|estarei|encontro-me) (?:\w+ ){0,2}(?:fora do escritório|ausente|de férias|"
    r"em férias)|esta é uma (?:mensagem|resposta) automática|recebemos (?:a )?(?:sua|seu|tua)|"
    r"(?:sua|o seu) (?:solicitação|pedido|mensagem|chamado|ticket)(?: \S{1,20})? foi (?:recebid|"
    r"criad|registrad|abert)",
    r"(?:sono|sarò) (?:\w+ ){0,2}(?:fuori (?:ufficio|sede)|assente|in ferie|in vacanza)|"
    r"questo è un messaggio automatico|abbiamo ricevuto la (?:sua|tua|vostra)|"
    r"la (?:sua|tua|vostra) (?:richiesta|e-?mail) è stata (?:ricevuta|registrata|presa in carico)",
    r"ik ben (?:\w+ ){0,4}(?:afwezig|niet op kantoor|met vakantie|op vakantie|niet aanwezig|"
    r"met verlof)|dit is een (?:automatisch|automatische) (?:bericht|antwoord|e-?mail)|"
    r"we hebben (?:uw|je) (?:aanvraag|bericht|e-?mail|vraag) ontvangen|"
    r"uw (?:aanvraag|bericht)(?: \S{1,20})? is (?:ontvangen|geregistreerd)",
    r"jestem (?:\w+ ){0,3}(?:poza biurem|nieobecn\w|na urlopie)|przebywam na urlopie|"
    r"to jest automatyczna (?:odpowiedź|wiadomość)|otrzymaliśmy (?:twoj|twój|państwa|pana|pani)",
    r"(?:я|сейчас) (?:\w+ ){0,3}(?:в отпуске|вне офиса|отсутству)|"
    r"это автоматическ\w+ (?:ответ|сообщение)|"
    r"(?:мы получили ваш|ваш(?:е|а)? (?:запрос|обращение|заявка) .{0,20}(?:принят|получен|"
    r"зарегистриров))",
    r"jag är (?:\w+ ){0,3}(?:inte på kontoret|på semester|frånvarande|ledig)|"
    r"jeg er (?:\w+ ){0,3}(?:ikke på kontoret|på ferie|fraværende)|"
    r"olen (?:\w+ ){0,3}(?:lomalla|poissa)|vi har mottagit (?:ditt|din)|"
    r"vi har mod?tat? (?:din|dit|ditt)|jsem (?:\w+ ){0,3}(?:mimo kancelář|na dovolené)|"
    r"szabadságon vagyok|(?:ofis|iş yeri) dışındayım|izindeyim|talebinizi aldık",
    r"(?:不在に|休暇を|出張|外出)(?:して|いただいて|中|し|とって)|"
    r"自動(?:返信|応答|送信)(?:メール|です|されて|され)|お問い合わせを(?:受け付け|受付)",
    r"我(?:目前|现在|正在|將|将)?(?:不在办公室|不在辦公室|休假|外出|出差)|"
    r"(?:这是|此为|本邮件为|此郵件為)自动|我们已(?:经)?收到您的|부재 ?중|휴가 ?중|출장 ?중|"
    r"자동 ?(?:응답|회신|발송)|문의(?:가|를) ?(?:정상적으로 )?접수",
)

# Sentences that automatic replies also have.
WEAK: Final = (
    r"^(?:hi|hello|dear|hallo|bonjour|hola|olá|ciao|beste|sehr geehrte|guten tag|thank|thanks|"
    r"vielen dank|danke|merci|gracias|obrigad|grazie|bedankt|dziękuj|спасибо|tack|takk|"
    r"tak)\b.{0,120}$",
    r"(?:limited|no|intermittent|sporadic) access to (?:my )?(?:e-?mail|phone)|"
    r"(?:urgent|emergenc|immediate (?:assistance|help))|"
    r"(?:reply|respond|get back|answer|return|be back|respond to your).{0,60}(?:when|upon|after|"
    r"until|before|as soon as|within|on|shortly|return|then)|"
    r"(?:until|from) (?:mon|tues|wednes|thurs|fri|january|february|march|april|may|june|july|"
    r"august|september|october|november|december|\d)|(?:please )?contact (?:my|our|the|\S{1,40}@)|"
    r"reach out|direct your|repl(?:y|ies) time|response time|do not reply|ticket (?:number|id)|"
    r"reference (?:number|id)|business (?:days|hours)|will be (?:forwarded|read|reviewed)|"
    r"(?:support|service) (?:team|staff|agent|representative)s? will|"
    r"to add (?:additional )?comments",
    r"dringend|vertret|wende[nt] sie sich|zurück|weitergeleitet|eingeschränkt|beantworte|"
    r"melde mich|schnellstmöglich|so bald wie möglich|bearbeitungs|ticketnummer|nicht auf diese",
    r"urgen|mon retour|en mon absence|contacter|dans les (?:plus brefs|meilleurs) délais|"
    r"ne pas répondre|accès limité|numéro de (?:ticket|demande)|de retour",
    r"mi regreso|mi vuelta|contact[ae]|en breve|lo antes posible|acceso limitado|no responda|"
    r"a la brevedad|número de (?:ticket|caso)|meu retorno|assim que possível|contat[eo]|"
    r"o mais breve|o mais rápido|acesso limitado|não responda",
    r"mio rientro|mio ritorno|contattare|appena possibile|al più presto|non rispond|"
    r"accesso limitato|rivolger",
    r"dringende|contact op|terugkomst|zo spoedig|zo snel mogelijk|weer aanwezig|"
    r"niet te beantwoorden",
    r"piln|powroc|skontaktować|odpowiem|wrócę|срочн|вернусь|возвращени|свяжитесь|ответ\w* в|"
    r"tillbaka|brådskande|tilbage|tilbake|haster|kontakta|kontakt(?:e)?\b|palaan|kiireell|naléhav|"
    r"dönüş|acil",
    r"緊急|急ぎ|戻り|返信|担当|ご連絡|お待ち|紧急|緊急|返回|回复您|联系|聯絡|급한|긴급|복귀|연락|"
    r"답변",
)

# Sentences about an automatic reply, by somebody who got one.
MENTIONS: Final = (
    r"\b(?:your|their|an?|the|only|these|those|same|got|get|getting) (?:\w+ )?(?:auto-?(?:matic |"
    r"mated )?-?(?:reply|replies|response|responder|mail)|out[- ]of[- ]office)|says?\b|said\b|"
    r"\bbut\b|nobody|no one|(?:when|if|while) i(?: am|['’]m)|(?<!you )needs?\b|"
    r"(?:contact|call|answer) me\b|still (?:no|not|waiting)|never|\bfails?\b|\bfailing\b|"
    r"\bbroken\b|doesn['’]t work|crash",
    r"(?:ihre|eure|eine) automatische|steht\b|aber\b|niemand|funktioniert nicht|immer noch|"
    r"(?:votre|une) (?:réponse|message) automatique|\bmais\b|personne ne|toujours pas|"
    r"ne fonctionne",
    r"\bpero\b|nadie|todavía no|no funciona|\bmas\b|ninguém|não funciona|\bperò\b|\bma\b|nessuno|"
    r"non funziona|\bmaar\b|niemand|werkt niet|\bale\b|nikt|nie działa|\bно\b|никто|не работает",
)
