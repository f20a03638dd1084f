"""Phrases of forms, surveys and chat programs."""

from typing import Final

# Headings of issue forms and contact forms, without marks and colon.
FORM_HEADINGS: Final = (
    r"(?:steps|how) to reproduce(?: (?:the )?(?:issue|bug|problem|behaviou?r))?|to reproduce|"
    r"repro(?:duction)? steps|minimal reproduc\w+(?: \w+)?|link to (?:minimal )?reproduction|"
    r"reproduction",
    r"(?:describe the |bug |issue |problem )?(?:bug|issue|problem)?(?: )?(?:description|summary)|"
    r"describe the (?:bug|issue|problem|feature|solution you['’]d like)|what happened|"
    r"what['’]s (?:wrong|happening)|"
    r"what is the (?:issue|problem|bug|current behaviou?r|expected behaviou?r)|bug report|"
    r"feature request",
    r"(?:expected|actual|current|observed|desired)(?: (?:behaviou?r|results?|outcome|output))?|"
    r"what did you expect(?: to (?:happen|see))?|what (?:actually )?happened instead|"
    r"what did you see instead",
    r"(?:additional|further|extra|more) (?:context|information|info|notes|details|comments)|"
    r"anything else|screenshots?(?: (?:and|or|/) (?:videos?|logs|recordings?))?|"
    r"(?:relevant )?(?:logs?|log output|stack ?trace|console output|error (?:message|"
    r"log)s?)(?: output)?|attachments?",
    r"(?:your )?environment(?: (?:info(?:rmation)?|details))?|system (?:info(?:rmation)?|details)|"
    r"versions?|(?:desktop|smartphone|device|browser|operating system|os|platform|app version|"
    r"software version)(?: \(please complete the following information\))?|"
    r"which (?:browser|version|os|operating system).{0,50}",
    r"is your feature request related to a problem(?:\? please describe)?|"
    r"describe alternatives you['’]ve considered|"
    r"(?:proposed|suggested|possible) (?:solution|fix|workaround)|alternatives(?: considered)?|"
    r"use case|motivation|problem(?: statement)?|overview|background|details|"
    r"is there an existing issue.{0,20}|acceptance criteria|checklist|prerequisites|"
    r"pre-?flight checklist|(?:please )?confirm (?:the following|that).{0,40}|code of conduct|"
    r"contact details|how (?:often|frequently) does (?:this|it) (?:occur|happen)|severity|impact|"
    r"priority|reproducib\w+|regression",
    r"(?:schritte )?zur reproduktion|schritte zum (?:reproduzieren|nachstellen)|"
    r"erwartetes (?:verhalten|ergebnis)|tatsächliches (?:verhalten|ergebnis)|"
    r"(?:fehler|problem)beschreibung|umgebung|zusätzliche informationen",
    r"étapes (?:pour|de) reprodu\w+|comportement (?:attendu|actuel|observé)|"
    r"description du (?:problème|bug)|informations complémentaires|environnement",
    r"pasos para reproducir\w*|comportamiento (?:esperado|actual)|"
    r"descripción del (?:problema|error)|información adicional|entorno|passos para reproduzir|"
    r"comportamento (?:esperado|atual)|descrição do (?:problema|erro)|informações adicionais|"
    r"ambiente",
    r"passaggi per riprodurre|comportamento (?:atteso|attuale)|descrizione del problema|"
    r"stappen om te reproduceren|verwacht gedrag|huidig gedrag|kroki do odtworzenia|"
    r"oczekiwane zachowanie|шаги (?:для )?воспроизведения|ожидаемое поведение|"
    r"фактическое поведение|описание проблемы",
    r"再現手順|期待(?:される|する)(?:動作|結果)|実際の(?:動作|結果)|環境|问题描述|复现步骤|"
    r"重现步骤|期望(?:行为|结果)|实际(?:行为|结果)|环境信息|재현 (?:방법|단계)|예상 (?:동작|결과)|"
    r"실제 (?:동작|결과)",
)

# Headings of lists that say how an error is reproduced and where. Their items are no opinions.
STEPS_HEADINGS: Final = (
    r"(?:(?:the )?steps|how) to reproduce.{0,40}|to reproduce|repro(?:duction)?(?: steps)?|"
    r"minimal reproduc\w+(?: \w+)?|system info(?:rmation)?|"
    r"(?:your )?environment(?: (?:info(?:rmation)?|details))?",
    r"(?:schritte )?zur reproduktion|schritte zum (?:reproduzieren|nachstellen)|umgebung",
    r"étapes (?:pour|de) reprodu\w+|environnement|pasos para reproducir\w*|entorno",
    r"passos para reproduzir|passaggi per riprodurre|passi per riprodurre|"
    r"stappen om te reproduceren|omgeving",
    r"再現手順|環境|复现步骤|重现步骤|环境信息|재현 (?:방법|단계)",
)

# Hints of forms that writers leave unchanged.
FORM_HINTS: Final = (
    r"a clear and concise description of.{0,120}|if applicable, add screenshots.{0,80}|"
    r"add any other context (?:or screenshots )?about.{0,80}|"
    r"a description of what you expected.{0,60}|ex\. i['’]m always frustrated.{0,60}",
    r"steps to reproduce the behaviou?r:?|(?:\d\. ?)?go to ['‘\"“]?\.\.\.['’\"”]?|"
    r"(?:\d\. ?)?click on ['‘\"“]?\.{3,4}['’\"”]?|"
    r"(?:\d\. ?)?scroll down to ['‘\"“]?\.{3,4}['’\"”]?|(?:\d\. ?)?see error",
    r"(?:[-*] )?(?:os|browser|version|device):? ?\[e\.g\..{0,60}\]|no response|"
    r"please (?:describe|provide|fill in|complete|include|paste|attach|tell us).{0,120}(?:below|"
    r"here|following information|above|template)[.:)]?|n/a",
    r"\((?:summari[sz]e|how one can|what (?:actually|you should)|paste any|"
    r"if you can, link).{0,160}\)|/(?:label|cc|assign|milestone|due|priority) .{1,80}",
    r"(?:please )?(?:make sure|ensure) (?:to|that|you).{0,60}(?:search|read|check|follow).{0,120}|"
    r"thanks? (?:you )?for (?:taking the time to|reporting|filing|submitting).{0,160}",
)

# Statements that a form makes the writer tick.
CHECKLIST: Final = (
    r"i(?:['’]ve| have)(?: already| also| carefully)? (?:searched|read|checked|verified|tried|"
    r"tested|updated|reviewed|looked|confirmed|included|provided|followed|reproduced)\b|"
    r"i (?:agree|confirm|understand|searched|checked|read|verified|acknowledge)\b|"
    r"i(?: am|['’]m) (?:using|on|running|willing|not|sure|aware)\b|"
    r"i (?:would|will|want to|can|['’]d)(?: like to| be willing to)? (?:submit|work|help|"
    r"contribute|provide|open)\b",
    r"(?:this|there) (?:is|isn['’]t|are|issue|bug|hasn['’]t|has)\b.{0,40}(?:not|duplicate|"
    r"no (?:existing|similar|open)|been reported)|"
    r"(?:make sure|please|read|searched|checked|check|followed|updated|tested|agree|yes, i|"
    r"you have)\b",
    r"ich (?:habe|bin|bestätige|stimme)\b|j['’](?:ai|accepte|atteste)\b|"
    r"he (?:leído|buscado|comprobado)\b|(?:eu )?(?:li|procurei|verifiquei|concordo)\b|"
    r"ho (?:letto|cercato|verificato)\b|ik heb\b|я (?:прочитал|искал|проверил)|我已|確認しました|"
    r"확인했습니다",
)

# Questions of surveys that no section of the analysis is named after. Nobody else asks the first.
RATING_QUESTIONS: Final = (
    r"(?:on a scale (?:of|from) .{1,40},? )?how (?:likely|satisfied|easy|difficult|"
    r"would you (?:rate|describe|feel)|disappointed would you)\b",
    r"what (?:is|was|are|were) the (?:primary|main|most important|single|one|key|"
    r"biggest) (?:reasons?|thing|benefits?|factors?|challenges?)\b",
    r"(?:why|what) (?:did you (?:give|choose|select)|made you (?:give|choose|select)|"
    r"is the reason for) .{0,60}(?:score|rating|answer|option)",
    r"wie (?:wahrscheinlich|zufrieden|einfach|bewerten sie)\b|dans quelle mesure|"
    r"êtes-vous satisfait|quelle est la (?:probabilité|raison)|"
    r"¿?(?:qué tan|cuán|cómo de) (?:probable|satisfech)|¿?cuál es la (?:razón|principal)|"
    r"qual a probabilidade|quão (?:provável|satisfeit)|quanto (?:è probabile|sei soddisfatt)|"
    r"hoe (?:waarschijnlijk|tevreden)|jak bardzo prawdopodobne",
)
SURVEY_QUESTIONS: Final = (
    *RATING_QUESTIONS,
    r"how (?:well (?:does|did|do)|often do you use|did you hear|much do you)\b",
    r"what (?:problems?|business problems) (?:is|are) .{1,80}(?:solving|benefit)",
    r"(?:is there )?anything else (?:you(?:['’]d| would) like|to (?:add|share)|we should know)",
    r"(?:do you have|any) (?:any )?(?:other |additional |further )?(?:comments|feedback|"
    r"suggestions|thoughts)\b",
    r"what (?:can|could|should) we (?:do|improve|change)\b|"
    r"what would (?:make|you (?:change|improve)|it take)\b|"
    r"how (?:can|could) we (?:improve|do better|make)\b|which features? do you\b|"
    r"would you recommend .{1,60}|have you (?:ever )?(?:used|considered) .{1,80}|"
    r"what (?:type|kind) of\b.{0,80}",
    r"was (?:können|könnten) wir\b|que pouvons-nous|¿?qué (?:podemos|podríamos)|o que podemos|"
    r"cosa possiamo|wat kunnen we",
)

# Lines that chat programs write.
_WHO: Final = (
    r"(?!(?:i|we|he|she|they|it|that|this|then|and|so|but|my|our|your|who|nobody|someone)\b)"
    r"[\w.@'’&()<>+ -]{1,60}?"
)
SYSTEM_LINES: Final = (
    rf"{_WHO} (?:has |have )?(?:joined|left|entered|started|ended|closed|reopened|rejoined|"
    rf"accepted) (?:the |this )?"
    r"(?:conversation|chat|channel|room|call|meeting|session|group|ticket)(?: (?:at|on) .{1,40}|"
    r" \(.{1,40}\))?",
    rf"{_WHO} (?:started|stopped|paused) (?:the )?(?:transcription|recording)",
    r"transcribed by https?://\S{1,60}|(?:meeting|call) ended(?: after \d[\d:]{3,9})?|"
    r"(?:screen sharing|action item|highlight): .{1,120} - watch: https?://\S{1,200}|"
    r"review collected by and hosted on .{1,40}|\[?in reply to .{1,60}\]?|"
    r"view .{1,60}['’]s profile|\d+ people found this (?:review )?helpful",
    rf"{_WHO} (?:has |was |were |been )*(?:added|assigned|invited|transferred|removed|"
    rf"disconnected|connected)(?: {_WHO})? (?:to|from|by) (?:the |this )?(?:conversation|chat|"
    rf"channel|group|you|ticket|team|call)\b.{{0,40}}",
    r"(?:the )?(?:conversation|chat|ticket|call|session) (?:has been |has |was |is )?(?:started|"
    r"ended|closed|assigned|transferred|reopened|rated|accepted|resolved|marked|snoozed)(?: (?:by|"
    r"to|as) \S{1,30}(?: \S{1,30}){0,2})?(?: (?:at|on) [\w:,./ ]{1,30})?",
    r"(?:chat|conversation) (?:transcript|history|log|summary)(?: .{1,60})?|"
    r"transcript of (?:your )?chat\b.{0,60}",
    r"(?:you are|you['’]re|now) (?:now )?(?:chatting|connected|talking) (?:with|to) .{1,60}|"
    r"please wait while .{1,60}|(?:an agent|someone|one of our agents) will be with you .{0,40}|"
    r"(?:visitor|customer|user) (?:is|has been) (?:idle|typing|inactive).{0,40}|"
    r".{1,40} is typing(?:\.{3})?|"
    r".{1,40} changed (?:the|this) (?:subject|topic|status|group)\b.{0,80}",
    rf"(?:{_WHO}: )?\W?"
    r"(?:media|image|video|audio|sticker|document|gif|file|attachment) (?:omitted|attached|"
    r"removed)|this message was deleted|you deleted this message|"
    r"messages and calls are end-to-end encrypted.{0,120}|missed (?:voice|video) call|null|"
    r"message deleted|\d+ (?:new )?(?:messages|replies)",
    rf"{_WHO} (?:ist (?:dem|der|den) .{{1,40}} beigetreten|hat (?:den|die|das) .{{1,40}} "
    rf"(?:verlassen|beendet|geschlossen|"
    r"betreten))|nachrichten und anrufe sind ende-zu-ende-verschlüsselt.{0,120}|"
    r"medien ausgeschlossen|(?:bild|video|audio|sticker|dokument) weggelassen|"
    r"diese nachricht wurde gelöscht",
    rf"{_WHO} (?:a (?:rejoint|quitté) (?:la|le) .{{1,40}}|se ha unido (?:a|al) .{{1,40}}|ha "
    rf"(?:abandonado|salido de) .{{1,40}}|"
    r"(?:entrou|saiu)(?: (?:na|no|da|do) .{1,40})?|è entrat\w .{1,40}|ha lasciato .{1,40}|"
    r"neemt nu deel .{1,40})|<?(?:médias omis|multimedia omitido|mídia oculta|media omessi|"
    r"media weggelaten)>?",
    rf"{_WHO}(?:さん)?が(?:参加|退出|入室|退室)しました|.{{1,40}}(?:加入了|离开了|退出了)(?:群聊|会话|对话)|"
    r".{1,40}님이 (?:들어왔습니다|나갔습니다)\.?|.{1,40} (?:присоединил\w+|покинул\w*) .{1,40}",
)
