"""Phrases of forms, surveys and chat programs."""

from typing import Final

# Headings of issue forms and contact forms, without marks and colon.
FORM_HEADINGS: Final = (
    r"(?:steps|how) to reproduce(?: (?:the )?(?:issue|bug|problem|behaviou?r))?|to reproduce|"
    r"repro(?:duction)? "
    r"steps|minimal reproduc\w+(?: \w+)?|link to (?:minimal )?reproduction|reproduction",
    r"(?:describe the |bug |issue |problem )?(?:bug|issue|problem)?(?: )?(?:description|summary)|"
    r"describe the "
    r"(?:bug|issue|problem|feature|solution you['’]d like)|what happened|what['’]s (?:wrong|"
    r"happening)|"
    r"what is the (?:issue|problem|bug|current behaviou?r|expected behaviou?r)|bug report|feature "
    r"request",
    r"(?:expected|actual|current|observed|desired)(?: (?:behaviou?r|results?|outcome|output))?|"
    r"what did you "
    r"expect(?: to (?:happen|see))?|what (?:actually )?happened instead|what did you see instead",
    r"(?:additional|further|extra|more) (?:context|information|info|notes|details|comments)|"
    r"anything else|"
    r"screenshots?(?: (?:and|or|/) (?:videos?|logs|recordings?))?|(?:relevant )?(?:logs?|log "
    r"output|stack ?trace|"
    r"console output|error (?:message|log)s?)(?: output)?|attachments?",
    r"(?:your )?environment(?: (?:info(?:rmation)?|details))?|system (?:info(?:rmation)?|details)|"
    r"versions?|"
    r"(?:desktop|smartphone|device|browser|operating system|os|platform|app version|software "
    r"version)"
    r"(?: \(please complete the following information\))?|which (?:browser|version|os|operating "
    r"system).{0,50}",
    r"is your feature request related to a problem(?:\? please describe)?|describe alternatives "
    r"you['’]ve "
    r"considered|(?:proposed|suggested|possible) (?:solution|fix|workaround)|alternatives(?: "
    r"considered)?|"
    r"use case|motivation|problem(?: statement)?|overview|background|details|is there an existing "
    r"issue.{0,20}|acceptance criteria|checklist|prerequisites|pre-?flight checklist|"
    r"(?:please )?confirm (?:the following|that).{0,40}|code of conduct|contact details|"
    r"how (?:often|frequently) does (?:this|it) (?:occur|happen)|severity|impact|priority|"
    r"reproducib\w+|regression",
    r"(?:schritte )?zur reproduktion|schritte zum (?:reproduzieren|nachstellen)|erwartetes "
    r"(?:verhalten|ergebnis)|"
    r"tatsächliches (?:verhalten|ergebnis)|(?:fehler|problem)beschreibung|umgebung|zusätzliche "
    r"informationen",
    r"étapes (?:pour|de) reprodu\w+|comportement (?:attendu|actuel|observé)|description du "
    r"(?:problème|bug)|"
    r"informations complémentaires|environnement",
    r"pasos para reproducir\w*|comportamiento (?:esperado|actual)|descripción del (?:problema|"
    r"error)|"
    r"información adicional|entorno|passos para reproduzir|comportamento (?:esperado|atual)|"
    r"descrição do (?:problema|erro)|informações adicionais|ambiente",
    r"passaggi per riprodurre|comportamento (?:atteso|attuale)|descrizione del problema|stappen om "
    r"te "
    r"reproduceren|verwacht gedrag|huidig gedrag|kroki do odtworzenia|oczekiwane zachowanie|"
    r"шаги (?:для )?воспроизведения|ожидаемое поведение|фактическое поведение|описание проблемы",
    r"再現手順|期待(?:される|する)(?:動作|結果)|実際の(?:動作|結果)|環境|问题描述|复现步骤|重现步骤|期望(?:行为|结果)|"
    r"实际(?:行为|结果)|环境信息|재현 (?:방법|단계)|예상 (?:동작|결과)|실제 (?:동작|결과)",
)

# Hints of forms that writers leave unchanged.
FORM_HINTS: Final = (
    r"a clear and concise description of.{0,120}|if applicable, add screenshots.{0,80}|add any "
    r"other context "
    r"(?:or screenshots )?about.{0,80}|a description of what you expected.{0,60}|ex\. i['’]m "
    r"always frustrated.{0,60}",
    r"steps to reproduce the behaviou?r:?|(?:\d\. ?)?go to ['‘\"“]?\.\.\.['’\"”]?|(?:\d\. ?)?click "
    r"on ['‘\"“]?\.{3,4}"
    r"['’\"”]?|(?:\d\. ?)?scroll down to ['‘\"“]?\.{3,4}['’\"”]?|(?:\d\. ?)?see error",
    r"(?:[-*] )?(?:os|browser|version|device):? ?\[e\.g\..{0,60}\]|no response|please (?:describe|"
    r"provide|fill in|complete|"
    r"include|paste|attach|tell us).{0,120}(?:below|here|following information|above|"
    r"template)[.:)]?|n/a",
    r"\((?:summari[sz]e|how one can|what (?:actually|you should)|paste any|if you can, "
    r"link).{0,160}\)|"
    r"/(?:label|cc|assign|milestone|due|priority) .{1,80}",
    r"(?:please )?(?:make sure|ensure) (?:to|that|you).{0,60}(?:search|read|check|follow).{0,120}|"
    r"thanks? (?:you )?for (?:taking the time to|reporting|filing|submitting).{0,160}",
)

# Statements that a form makes the writer tick.
CHECKLIST: Final = (
    r"i(?:['’]ve| have| am| agree| confirm| understand| searched| checked| read| verified| "
    r"acknowledge| can| use|"
    r"['’]m| did| would| will| want to)\b",
    r"(?:this|there) (?:is|isn['’]t|are|issue|bug|hasn['’]t|has)\b.{0,40}(?:not|duplicate|no "
    r"(?:existing|similar|open)|"
    r"been reported)|(?:make sure|please|read|searched|checked|check|followed|updated|tested|agree|"
    r"yes, i|you have)\b",
    r"ich (?:habe|bin|bestätige|stimme)\b|j['’](?:ai|accepte|atteste)\b|he (?:leído|buscado|"
    r"comprobado)\b|(?:eu )?"
    r"(?:li|procurei|verifiquei|concordo)\b|ho (?:letto|cercato|verificato)\b|ik heb\b|я "
    r"(?:прочитал|искал|проверил)|"
    r"我已|確認しました|확인했습니다",
)

# Questions of surveys that no section of the analysis is named after.
SURVEY_QUESTIONS: Final = (
    r"(?:on a scale (?:of|from) .{1,40},? )?how (?:likely|satisfied|easy|difficult|would you "
    r"(?:rate|describe|feel)|"
    r"well (?:does|did|do)|often do you use|did you hear|disappointed would you|much do you)\b",
    r"what (?:is|was|are|were) the (?:primary|main|most important|single|one|key|biggest) "
    r"(?:reasons?|thing|benefits?|"
    r"purpose|goal|factors?|challenges?)\b",
    r"what (?:problems?|business problems) (?:is|are) .{1,80}(?:solving|benefit)",
    r"(?:why|what) (?:did you (?:give|choose|select)|made you (?:give|choose|select)|is the reason "
    r"for) .{0,60}"
    r"(?:score|rating|answer|option)",
    r"(?:is there )?anything else (?:you(?:['’]d| would) like|to (?:add|share)|we should know)",
    r"(?:do you have|any) (?:any )?(?:other |additional |further )?(?:comments|feedback|"
    r"suggestions|thoughts)\b",
    r"what (?:can|could|should) we (?:do|improve|change)\b|what would (?:make|you (?:change|"
    r"improve)|it take)\b|"
    r"how (?:can|could) we (?:improve|do better|make)\b|which features? do you\b|"
    r"would you recommend .{1,60}|have you (?:ever )?(?:used|considered) .{1,80}|what (?:type|"
    r"kind) of\b.{0,80}",
    r"wie (?:wahrscheinlich|zufrieden|einfach|bewerten sie)\b|was (?:können|könnten) wir\b|"
    r"dans quelle mesure|quelle est la (?:probabilité|raison)|êtes-vous satisfait|que pouvons-nous|"
    r"¿?(?:qué tan|cuán|cómo de) (?:probable|satisfech)|¿?qué (?:podemos|podríamos)|¿?cuál es la "
    r"(?:razón|principal)",
    r"(?:qual a probabilidade|quão (?:provável|satisfeit)|o que podemos|quanto (?:è probabile|sei "
    r"soddisfatt)|"
    r"cosa possiamo|hoe (?:waarschijnlijk|tevreden)|wat kunnen we|jak bardzo prawdopodobne)",
)

# Lines that chat programs write.
_WHO: Final = r"[\w.@'’&()+ -]{1,60}?"
SYSTEM_LINES: Final = (
    rf"{_WHO} (?:has |have )?(?:joined|left|entered|started|ended|closed|reopened|rejoined|"
    rf"accepted) (?:the |this )?"
    r"(?:conversation|chat|channel|room|call|meeting|session|group|ticket)(?: (?:at|on) .{1,40}| "
    r"\(.{1,40}\))?",
    rf"{_WHO} (?:has |was |were |been )*(?:added|assigned|invited|transferred|removed|disconnected|"
    rf"connected)"
    rf"(?: {_WHO})? (?:to|from|by) (?:the |this )?(?:conversation|chat|channel|group|you|ticket|"
    rf"team|call)\b.{{0,40}}",
    r"(?:the )?(?:conversation|chat|ticket|call|session) (?:has been |has |was |is )?(?:started|"
    r"ended|closed|assigned|"
    r"transferred|reopened|rated|accepted|resolved|marked|snoozed)(?: (?:by|at|on|to|as) .{1,60})?",
    r"(?:chat|conversation) (?:transcript|history|log|summary)(?: .{1,60})?|transcript of (?:your "
    r")?chat\b.{0,60}",
    r"(?:you are|you['’]re|now) (?:now )?(?:chatting|connected|talking) (?:with|to) .{1,60}|please "
    r"wait while .{1,60}|"
    r"(?:an agent|someone|one of our agents) will be with you .{0,40}|(?:visitor|customer|user) "
    r"(?:is|has been) (?:idle|"
    r"typing|inactive).{0,40}|.{1,40} is typing(?:\.{3})?|.{1,40} changed (?:the|this) (?:subject|"
    r"topic|status|group)\b.{0,80}",
    rf"(?:{_WHO}: )?\W?"
    r"(?:media|image|video|audio|sticker|document|gif|file|attachment) (?:omitted|attached|"
    r"removed)|this message "
    r"was deleted|you deleted this message|messages and calls are end-to-end encrypted.{0,120}|"
    r"missed (?:voice|video) call"
    r"|null|message deleted|\d+ (?:new )?(?:messages|replies)",
    rf"{_WHO} (?:ist (?:dem|der|den) .{{1,40}} beigetreten|hat (?:den|die|das) .{{1,40}} "
    rf"(?:verlassen|beendet|geschlossen|"
    r"betreten))|medien ausgeschlossen|bild weggelassen|diese nachricht wurde gelöscht",
    rf"{_WHO} (?:a (?:rejoint|quitté) (?:la|le) .{{1,40}}|se ha unido (?:a|al) .{{1,40}}|ha "
    rf"(?:abandonado|salido de) .{{1,40}}|"
    r"(?:entrou|saiu)(?: (?:na|no|da|do) .{1,40})?|è entrat\w .{1,40}|ha lasciato .{1,40}|neemt nu "
    r"deel .{1,40})|"
    r"<?(?:médias omis|multimedia omitido|mídia oculta|media omessi|media weggelaten)>?",
    rf"{_WHO}(?:さん)?が(?:参加|退出|入室|退室)しました|.{{1,40}}(?:加入了|离开了|退出了)(?:群聊|会话|对话)|"
    r".{1,40}님이 (?:들어왔습니다|나갔습니다)\.?|.{1,40} (?:присоединил\w+|покинул\w*) .{1,40}",
)
