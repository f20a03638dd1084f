"""Phrases of automatic replies, one line per language."""

from typing import Final

# First lines that no person writes.
CERTAIN: Final = (
    r"(?:subject: ?)?(?:automatic reply|auto(?:matic)?[- ]?(?:reply|response)|out of (?:the "
    r")?office"
    r"(?: auto-?reply)?|autoreply) ?(?::|$)",
    r"(?:betreff: ?)?(?:automatische antwort|abwesenheitsnotiz|abwesenheitsassistent) ?(?::|$)",
    r"(?:objet ?: ?)?(?:réponse automatique|absence du bureau|message d['’]absence) ?(?::|$)",
    r"(?:asunto: ?)?(?:respuesta automática|fuera de (?:la )?oficina) ?(?::|$)",
    r"(?:assunto: ?)?(?:resposta automática|fora do escritório) ?(?::|$)",
    r"(?:oggetto: ?)?(?:risposta automatica|fuori sede|fuori ufficio) ?(?::|$)",
    r"(?:onderwerp: ?)?(?:automatisch antwoord|afwezigheidsbericht) ?(?::|$)",
    r"(?:temat: ?)?(?:odpowiedź automatyczna|automatyczna odpowiedź) ?(?::|$)",
    r"(?:автоматический ответ|автоответ|autosvar|automaattinen vastaus|automatická odpověď|"
    r"automatikus válasz|otomatik (?:yanıt|cevap)|räspuns automat) ?(?::|$)",
    r"(?:件名: ?)?(?:自動(?:応答|返信)|不在通知)|"
    r"自动(?:回复|答复) ?(?::|：|$)|자동 (?:회신|응답) ?(?::|$)",
    r"(?:subject: ?)?(?:undeliverable|undelivered mail returned|mail delivery (?:failed|subsystem)|"
    r"delivery status notification|returned mail|unzustellbar) ?[:( ]",
    r"(?:delivery has failed to these recipients|this message was created automatically by mail "
    r"delivery|your message (?:to .{1,80} )?(?:couldn['’]t|could not) be delivered)",
)

# Sentences that make a text an automatic reply.
STRONG: Final = (
    r"\b(?:i am|i['’]m|i will be|i['’]ll be|i['’]m currently)(?: \w+){0,2} (?:out of (?:the "
    r")?office|"
    r"away from (?:the|my) (?:office|desk)|ooo|on (?:annual |parental |maternity |paternity |sick "
    r")?(?:leave|"
    r"vacation|holidays?|pto)|on a business trip|away (?:until|from|on|with))",
    r"^(?:i am |i['’]m )?(?:currently )?(?:out of (?:the )?office|ooo|on (?:vacation|leave)) "
    r"(?:until|from|"
    r"till|through|and)",
    r"(?:our|the) office (?:is|will be) closed (?:from|until|on|for)",
    r"this is an auto(?:mated|matic|-generated|matically generated) (?:reply|response|message|"
    r"e-?mail|"
    r"notification|acknowledge?ment)|this (?:e-?mail|message) (?:was|is) (?:sent |generated )?"
    r"automatically",
    r"(?:our team|we) (?:has|have) received your|your (?:message|e-?mail|request)(?: "
    r"\S{1,20}){0,3} has been "
    r"received|(?:we(?:['’]ve| have)?|has been|was) (?:successfully )?received (?:your|and (?:is|"
    r"will|a "
    r"ticket))"
    r"|we(?:['’]ve| have)? received your (?:e-?mail|message|request|ticket|inquiry|enquiry|query)|"
    r"your (?:request|ticket|case|message|e-?mail|inquiry|enquiry)(?: \S{1,20})? (?:has been|was) "
    r"(?:received|"
    r"created|logged|registered|opened)|a (?:support )?ticket has been (?:created|opened|logged)",
    r"ich bin (?:\w+ ){0,4}(?:bis|vom|ab|derzeit|zurzeit|momentan|aktuell|im urlaub|in elternzeit|"
    r"nicht (?:im "
    r"(?:büro|haus|dienst)|erreichbar)|außer haus|abwesend)|(?:nicht (?:im büro|im haus)|außer "
    r"haus|abwesend) "
    r"(?:bis|vom)|dies ist eine automatische? (?:antwort|nachricht|e-?mail|bestätigung)",
    r"(?:ihre|deine) (?:anfrage|nachricht|e-?mail|ticket)(?: \S{1,20})? (?:ist (?:bei uns "
    r")?eingegangen|wurde "
    r"(?:empfangen|registriert|erstellt))|wir haben (?:ihre|deine) (?:anfrage|nachricht|e-?mail) "
    r"(?:erhalten|"
    r"bekommen)",
    r"je (?:suis|serai) (?:\w+ ){0,2}(?:absente?|en congés?|en déplacement|hors du bureau|en "
    r"vacances)|"
    r"ceci est (?:une réponse|un message) automatique|nous avons bien reçu (?:votre|ta)|votre "
    r"(?:demande|"
    r"message|ticket)(?: \S{1,20})? a (?:bien )?été (?:reçue?|enregistrée?|créée?)",
    r"(?:estoy|estaré|me encuentro|me encontraré) (?:\w+ ){0,2}(?:fuera de (?:la )?oficina|de "
    r"vacaciones|"
    r"ausente)|este es un (?:mensaje|correo) automático|hemos recibido (?:su|tu)|(?:su|tu) "
    r"(?:solicitud|mensaje|"
    r"ticket|consulta)(?: \S{1,20})? ha sido (?:recibid|cread|registrad)",
    r"(?:estou|estarei|encontro-me) (?:\w+ ){0,2}(?:fora do escritório|ausente|de férias|em "
    r"férias)|esta é "
    r"uma (?:mensagem|resposta) automática|recebemos (?:a )?(?:sua|seu|tua)|(?:sua|o seu) "
    r"(?:solicitação|"
    r"pedido|mensagem|chamado|ticket)(?: \S{1,20})? foi (?:recebid|criad|registrad|abert)",
    r"(?:sono|sarò) (?:\w+ ){0,2}(?:fuori (?:ufficio|sede)|assente|in ferie|in vacanza)|questo è "
    r"un "
    r"messaggio automatico|abbiamo ricevuto la (?:sua|tua|vostra)|la (?:sua|tua|vostra) "
    r"(?:richiesta|e-?mail) è "
    r"stata (?:ricevuta|registrata|presa in carico)",
    r"ik ben (?:\w+ ){0,4}(?:afwezig|niet op kantoor|met vakantie|op vakantie|niet aanwezig|met "
    r"verlof)|dit is "
    r"een (?:automatisch|automatische) (?:bericht|antwoord|e-?mail)|we hebben (?:uw|je) "
    r"(?:aanvraag|bericht|"
    r"e-?mail|vraag) ontvangen|uw (?:aanvraag|bericht)(?: \S{1,20})? is (?:ontvangen|"
    r"geregistreerd)",
    r"jestem (?:\w+ ){0,3}(?:poza biurem|nieobecn\w|na urlopie)|przebywam na urlopie|to jest "
    r"automatyczna "
    r"(?:odpowiedź|wiadomość)|otrzymaliśmy (?:twoj|twój|państwa|pana|pani)",
    r"(?:я|сейчас) (?:\w+ ){0,3}(?:в отпуске|вне офиса|отсутству)|это автоматическ\w+ (?:ответ|"
    r"сообщение)|"
    r"(?:мы получили ваш|ваш(?:е|а)? (?:запрос|обращение|заявка) .{0,20}(?:принят|получен|"
    r"зарегистриров))",
    r"jag är (?:\w+ ){0,3}(?:inte på kontoret|på semester|frånvarande|ledig)|jeg er (?:\w+ "
    r"){0,3}(?:ikke på "
    r"kontoret|på ferie|fraværende)|olen (?:\w+ ){0,3}(?:lomalla|poissa)|vi har mottagit (?:ditt|"
    r"din)|vi har "
    r"mod?tat? (?:din|dit|ditt)|jsem (?:\w+ ){0,3}(?:mimo kancelář|na dovolené)|szabadságon vagyok|"
    r"(?:ofis|iş yeri) dışındayım|izindeyim|talebinizi aldık",
    r"(?:不在に|休暇を|出張|外出)(?:して|いただいて|中|し|とって)|自動(?:返信|応答|送信)(?:メール|です|されて|され)|"
    r"お問い合わせを(?:受け付け|受付)",
    r"我(?:目前|现在|正在|將|将)?(?:不在办公室|不在辦公室|休假|外出|出差)|(?:这是|此为|本邮件为|此郵件為)自动|我们已(?:经)?收到您的|"
    r"부재 ?중|휴가 ?중|출장 ?중|자동 ?(?:응답|회신|발송)|문의(?:가|를) ?(?:정상적으로 )?접수",
)

# Sentences that automatic replies also have.
WEAK: Final = (
    r"^(?:hi|hello|dear|hallo|bonjour|hola|olá|ciao|beste|sehr geehrte|guten tag|thank|thanks|"
    r"vielen "
    r"dank|danke|merci|gracias|obrigad|grazie|bedankt|dziękuj|спасибо|tack|takk|tak)\b.{0,120}$",
    r"(?:limited|no|intermittent|sporadic) access to (?:my )?(?:e-?mail|phone)|(?:urgent|emergenc|"
    r"immediate (?:assistance|help))|(?:reply|respond|get back|answer|return|be back|respond to "
    r"your)"
    r".{0,60}(?:when|upon|after|until|before|as soon as|within|on|shortly|return|then)|(?:until|"
    r"from) "
    r"(?:mon|tues|wednes|thurs|fri|january|february|march|april|may|june|july|august|september|"
    r"october|"
    r"november|december|\d)|(?:please )?contact (?:my|our|the)|do not reply|ticket (?:number|id)|"
    r"reference (?:number|id)|business (?:days|hours)|will be (?:forwarded|read|reviewed)|"
    r"(?:support|service) (?:team|staff|agent|representative)s? will|to add (?:additional "
    r")?comments",
    r"dringend|vertret|wende[nt] sie sich|zurück|weitergeleitet|eingeschränkt|beantworte|melde "
    r"mich|"
    r"schnellstmöglich|so bald wie möglich|bearbeitungs|ticketnummer|nicht auf diese",
    r"urgen|mon retour|en mon absence|contacter|dans les (?:plus brefs|meilleurs) délais|ne pas "
    r"répondre|"
    r"accès limité|numéro de (?:ticket|demande)|de retour",
    r"mi regreso|mi vuelta|contact[ae]|en breve|lo antes posible|acceso limitado|no responda|a la "
    r"brevedad|"
    r"número de (?:ticket|caso)|meu retorno|contat[eo]|o mais breve|o mais rápido|acesso limitado|"
    r"não responda",
    r"mio rientro|mio ritorno|contattare|appena possibile|al più presto|non rispond|accesso "
    r"limitato|rivolger",
    r"dringende|contact op|terugkomst|zo spoedig|zo snel mogelijk|weer aanwezig|niet te "
    r"beantwoorden",
    r"piln|powroc|skontaktować|odpowiem|wrócę|срочн|вернусь|возвращени|свяжитесь|ответ\w* в|"
    r"tillbaka|brådskande|tilbage|tilbake|haster|kontakta|kontakt(?:e)?\b|palaan|kiireell|naléhav|"
    r"dönüş|acil",
    r"緊急|急ぎ|戻り|返信|担当|ご連絡|お待ち|紧急|緊急|返回|回复您|联系|聯絡|급한|긴급|복귀|연락|답변",
)

# Sentences about an automatic reply, by somebody who got one.
MENTIONS: Final = (
    r"\b(?:your|their|an?|the|only|these|those|same|got|get|getting) (?:\w+ )?(?:auto-?(?:matic |"
    r"mated )?-?"
    r"(?:reply|replies|response|responder|mail)|out[- ]of[- ]office)|says?\b|said\b|\bbut\b|nobody|"
    r"no one|(?:when|if|while) i(?: am|['’]m)|needs?\b|"
    r"still (?:no|not|waiting)|never|\bfails?\b|\bfailing\b|\bbroken\b|doesn['’]t work|crash",
    r"(?:ihre|eure|eine) automatische|steht\b|aber\b|niemand|funktioniert nicht|immer noch|"
    r"(?:votre|une) (?:réponse|message) automatique|\bmais\b|personne ne|toujours pas|ne "
    r"fonctionne",
    r"\bpero\b|nadie|todavía no|no funciona|\bmas\b|ninguém|não funciona|\bperò\b|\bma\b|nessuno|"
    r"non funziona|\bmaar\b|niemand|werkt niet|\bale\b|nikt|nie działa|\bно\b|никто|не работает",
)
