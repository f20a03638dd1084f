"""Function words of eight languages, for cutting a sentence without a grammar.

Words are in lower case. An elided word is written without its apostrophe ("l" for "l'avis"): a word
is looked up both whole and as its part before the apostrophe.
"""

import re
from typing import Final

from msgspec import Struct, convert
from msgspec.structs import replace

from domains.intelligence.text.words import word_set


class Language(Struct, frozen=True):
    """Word lists of a language, and phrases with which a speaker begins.

    `fillers` are dropped anywhere, `openers` at the front before a comma, dash or full stop,
    `links` at the front always, `soft_links` before a subject. `joins` are conjunctions after which
    a main clause stands; `subordinators` begin other clauses; `complements` begin clauses that the
    clause before cannot do without. `hanging` are words that no title ends with. `doubled` are
    words that grammar may repeat.
    """

    fillers: frozenset[str]
    openers: tuple[str, ...]
    links: tuple[str, ...] = ()
    soft_links: tuple[str, ...] = ()
    subjects: frozenset[str] = frozenset()
    determiners: frozenset[str] = frozenset()
    verbs: frozenset[str] = frozenset()
    joins: frozenset[str] = frozenset()
    subordinators: frozenset[str] = frozenset()
    complements: frozenset[str] = frozenset()
    hanging: frozenset[str] = frozenset()
    negations: frozenset[str] = frozenset()
    doubled: frozenset[str] = frozenset()

    @property
    def drops_subjects(self) -> bool:
        """True if a clause needs no subject, so that a verb can be its first word."""
        return "io" in self.subjects or "yo" in self.subjects or "eu" in self.subjects


_TABLES: Final = {
    "en": """
    fillers: um uh uhm erm er umm uhh hmm mhm
    openers: well|yeah|yes|yep|no|nope|nah|so|i mean|you know|you know what|honestly|to be honest|
    look|ok|okay|right|sure|oh|ah|aye|anyway|like|listen|basically|actually|frankly|now|see|hey|hi|
    also|and|but|then|or|say|hello|hi there|hi all|hi team|hello there|dear all|oh well|to be fair|
    i'll be honest|i'll be fair|let me think|how do i put it|good question|fair enough|
    don't get me wrong|i guess|i suppose|as i said|like i said|of course|by the way|mind you|
    the thing is|thing is|truth be told|in fairness|full disclosure|not gonna lie|tbh|btw|fyi|ps|
    p.s|pps|thanks|thank you|cheers|sorry|again|plus|otherwise
    links: and|but|and then|and also|but then|and so|oh and|oh but|yeah but|yes but
    soft_links: so|because|cause|cos|'cause|i mean|you know|well|also|then|yeah|plus|or|oh|ah
    subjects: i we you he she it they there nobody everybody everyone this these
    determiners: the a an my our your his her their its this these that those every no
    verbs: is are was get use used using tried called were am be has have had do does did don't can
    can't could will won't would gets stays should must may might need needs want wants takes took
    makes made goes went gets got comes came keeps kept lets says said works shows looks feels
    gives gave saves saved loses lost costs cost crashes fails stops isn't aren't wasn't doesn't
    didn't hasn't couldn't wouldn't sends sent finds found knows knew means meant helps love loves
    hate thinks
    joins: and but so because cos cause yet then
    subordinators: or if when while although though unless until till since before after where
    whenever once as than except which who whom whose that what how why whether wherever nor not
    instead whereas even especially including such despite without only just rather like plus
    complements: that what how whether why than as if unless not until of to nor like
    hanging: in on some any of for with to from at by into onto about between during via per is are
    was were be am has have had do does did can could will would should must may might i we he she
    they very too really don't can't won't doesn't didn't isn't aren't
    negations: not no never nobody nothing none neither nor without cannot hardly barely stop doubt
    doubled: that had very so really bye her""",
    "de": """
    fillers: äh ähm hm hmm öh öhm mhm tja
    openers: also|na ja|naja|ja|nein|nee|nun|nun ja|doch|ach|ach ja|ach so|gut|okay|ok|genau|klar|
    ehrlich gesagt|ehrlich|offen gesagt|um ehrlich zu sein|wissen sie|weißt du|schauen sie|schau|
    schau mal|sehen sie|sag mal|sagen wir mal|sagen wir so|hören sie|wie gesagt|wie soll ich sagen|
    ich sag mal|ich mein|ich meine|gute frage|stimmt|oh|mei|gell|jo|moin|hallo|guten tag|und|aber|
    wobei|nur|so|na|na gut|danke|übrigens|eben|servus|jedenfalls
    links: und|aber|denn|und ja|ja und|ja aber|aber ja|ja also|also ja|na ja also|oder
    soft_links: also|ja|na ja|naja|nun|nein|doch|ach|weil|tja|ich meine|ich mein
    subjects: ich wir er sie es man du ihr das dies da dann jetzt niemand keiner jeder
    determiners: der die das ein eine mein meine unser unsere ihr ihre dein deine euer eure kein
    keine dieser diese dieses jeder jede jedes den dem einen einem einer meinen unseren unserem
    verbs: ist sind war waren hat haben hatte hatten bin habe wird werden wurde wurden kann können
    konnte muss müssen musste will wollen soll sollen darf geht gehen ging kommt kommen kam macht
    machen braucht dauert fehlt fehlen gibt zeigt steht stehen sagt heißt läuft findet bleibt
    kostet möchte wäre hätte würde könnte ham san funktioniert stürzt verliert spart
    joins: und aber denn doch nur also
    subordinators: oder weil dass wenn ob obwohl während bevor nachdem sobald solange damit als bis
    falls da sodass seit was wie wo wer wen wem wann warum weshalb welche welcher welches deren
    dessen um ohne statt anstatt außer sondern nicht wobei wodurch womit worauf zumal indem ehe je
    complements: dass ob wie was wer wo wann warum als sondern zu wenn falls außer nicht
    hanging: des eines von vom für im in zum zur zu bei beim durch gegen über unter zwischen ist
    sind war hat haben wird werden kann muss ich wir er man es sehr so auch
    negations: nicht nie niemals kein keine keinen keiner keinem nichts niemand weder ohne kaum
    doubled: die der das sie den dem sehr""",
    "fr": """
    fillers: euh heu hum hein hmm
    openers: ben|bah|bon|bon ben|alors|donc|oui|non|ouais|enfin|eh bien|écoutez|écoute|voilà|
    franchement|honnêtement|en fait|tu sais|vous savez|tu vois|vous voyez|disons|ah|oh|d'accord|ok|
    bref|après|et|mais|sinon|en gros|du coup|genre|tenez|tiens|remarque|remarquez|
    pour être honnête|à vrai dire|comment dire|c'est-à-dire|bonjour|bonsoir|salut|par contre|
    en revanche|cela dit|ceci dit|d'ailleurs|merci|bonne question|or|pour tout dire|
    soyons honnêtes|effectivement|évidemment|attention|au fait
    links: et|mais|et puis|mais bon|et donc|oui mais|par contre|en revanche|ben|bah|euh|parce que|or
    soft_links: donc|alors|en fait|enfin|du coup|oui|non|car|sinon|ou
    subjects: je j on il elle nous vous ils elles tu ça cela c ce personne chacun tout
    determiners: le la l les un une des mon ma mes notre nos votre vos son sa ses leur leurs ce cet
    cette ces aucun aucune chaque
    verbs: est sont était étaient a ont avait avaient ai avons avez suis sera serait peut peuvent
    pouvait doit faut fallait fait font va vont marche manque prend reste arrive perd trouve dit
    veut voudrait faudrait met coûte affiche sort demande permet bloque plante aime
    joins: et mais donc car puis or
    subordinators: ou que qu qui quand si lorsque lorsqu puisque parce comme alors dont où lequel
    laquelle lesquels quoique pendant tandis pour sans afin dès avant après sauf jusqu sinon ni
    même pas plutôt surtout notamment au comment pourquoi quoi ainsi
    complements: que qu qui si dont où comment pourquoi de d à pas ni quoi comme
    hanging: du de d à aux en dans par sur avec chez vers est sont a ont était avait peut doit je j
    on il elle nous vous ils ne n très se s plus tout
    negations: ne n pas jamais rien personne aucun aucune ni sans
    doubled: nous vous très""",
    "es": """
    fillers: eh ehm mmm
    openers: pues|bueno|bueno pues|pues mira|mira|mire|miren|a ver|o sea|es que|hombre|vale|ya|sí|
    no|claro|entonces|la verdad|la verdad es que|sinceramente|honestamente|fíjate|fíjese|oye|oiga|
    digamos|en fin|total|ah|ay|uy|y|pero|ahora bien|ahora|en realidad|por cierto|hola|buenas|
    buenos días|buenas tardes|gracias|te digo|le digo|qué te digo|cómo le diría|para ser sincero|
    para ser sincera|eso sí|además|igual|okay|ok|verás|vaya
    links: y|pero|es que|pues|o sea|y es que|pero es que|y bueno|pues es que|e
    soft_links: entonces|porque|así que|mire|mira|la verdad
    subjects: yo nosotros usted ustedes él ella ellos ellas eso esto nadie todo
    determiners: el la los las un una unos unas mi mis nuestro nuestra nuestros nuestras su sus
    este esta estos estas ese esa esos tu cada ningún ninguna
    verbs: es son era eran está están estaba ha han hay había he hemos tiene tienen tengo tenemos
    puede pueden puedo podemos debe hace hacen va van voy falta faltan sale salen tarda pierde
    pierden funciona cuesta queda quedan dice quiero queremos necesito necesitamos fue me nos se lo
    te le les no pide deja llega llegan sería podría gusta encanta da
    joins: y pero porque pues aunque e
    subordinators: o que cuando si como donde mientras aunque quien cuyo cual según hasta desde para
    sin sino excepto salvo ni porque por al antes después así apenas qué cómo cuándo no ya además
    complements: que si como donde qué cómo quien de sino a para sin ni cuándo cual
    hanging: de del a en con sobre entre es son está están ha han hay se me nos lo le muy tan más
    yo
    negations: no nunca jamás nada nadie ningún ninguna ninguno ni sin tampoco apenas
    doubled: muy nos""",
    "pt": """
    fillers: hum hã hmm ehm
    openers: bom|bem|olha|olhe|então|é que|tipo|ah|oh|ó|pois|pois é|pronto|sim|não|ok|tá|certo|
    na verdade|sinceramente|honestamente|para ser sincero|pra ser sincero|sabe|quer dizer|digamos|
    assim|e|mas|aí|enfim|cara|veja|vejam|repare|ora|ora bem|isto é|ou seja|oi|olá|bom dia|
    boa tarde|obrigado|obrigada|agora|né|uai|eita|para ser honesto|aliás|claro|por acaso|
    sendo sincero|a verdade é que|confesso|só que|deixa eu ver|vamos lá|além disso
    links: e|mas|só que|aí|mas aí|e aí|mas olha|é que|e mas|tipo|olha
    soft_links: porque|pois|bem|ah|agora|ai|então
    subjects: eu nós você vocês ele ela eles elas isso isto a_gente ninguém tudo aquilo
    determiners: o a os as um uma uns umas meu minha meus minhas nosso nossa nossos nossas seu sua
    seus suas este esta estes estas esse essa esses essas cada nenhum nenhuma
    verbs: é são era eram está estão estava tá tão foi foram tem têm tinha há pode podem posso dá
    deve faz fazem vai vão vou falta faltam sai demora perde funciona custa fica ficam diz quero
    queremos preciso precisamos precisa consigo se me nos não deixa chega aparece gosto adoro seria
    podia poderia dava leva manda
    joins: e mas porque pois só
    subordinators: ou que quando se como onde enquanto embora quem cujo qual conforme até desde para
    pra sem senão exceto salvo nem porque por ao antes depois assim caso não já além mesmo
    complements: que se como onde quem de senão a para pra sem nem qual caso não
    hanging: de do da dos das em no na nos nas com pelo pela sobre entre aos à às é são está estão
    tem têm há muito mais eu num numa
    negations: não nunca jamais nada ninguém nenhum nenhuma nem sem
    doubled: muito nos a""",
    "it": """
    fillers: ehm uhm mmm eh
    openers: cioè|allora|beh|be'|mah|guarda|guardi|guardate|senta|senti|insomma|ecco|diciamo|sì|no|
    ma|e|però|ok|okay|va bene|bene|dunque|comunque|onestamente|sinceramente|in realtà|
    a dire il vero|per dire|voglio dire|sai|sa|vede|vedi|ah|oh|tipo|poi|anzi|in pratica|
    praticamente|certo|per carità|ciao|buongiorno|buonasera|salve|grazie|adesso|a essere sinceri|
    ad essere onesti|per essere onesti|ora|magari|to'|boh|peraltro|davvero
    links: e|ma|però|e poi|ma poi|cioè|ma guardi|e però|ma sì|beh|e allora|ed
    soft_links: allora|insomma|diciamo|perché|quindi|comunque
    subjects: io noi lei lui loro voi tu questo ciò nessuno tutto si
    determiners: il lo la i gli le l un uno una mio mia miei mie nostro nostra nostri nostre suo
    sua suoi questo questa questi queste quel quella ogni nessun nessuna
    verbs: è sono era erano ha hanno ho abbiamo aveva c'è ci può possono posso possiamo deve devo
    fa fanno va vanno manca mancano serve servono esce perde funziona costa resta rimane dice
    voglio vogliamo vorrei vorremmo stato bisogna si mi non viene vengono sta stanno sarebbe arriva
    arrivano trovo piace dà mette chiede fu
    joins: e ma però perché quindi ed
    subordinators: o che quando se come dove mentre anche sebbene benché chi cui quale secondo fino
    da per senza tranne salvo né perché prima dopo così appena non nemmeno neanche invece finché
    complements: che se come dove chi cui di a da per senza né cosa quale non quanto
    hanging: di del dello della dei degli delle a al allo alla ai agli alle dal dalla in nel nella
    nei con su sul sulla tra fra è sono ha hanno c'è molto più io dell all nell sull dall
    negations: non mai niente nulla nessuno nessun nessuna né senza neanche nemmeno
    doubled: si molto""",
    "nl": """
    fillers: eh uh uhm ehm hm euh
    openers: o ja|nou|nou ja|ja|nee|kijk|tja|ach|goed|oké|ok|eerlijk gezegd|eerlijk|weet je|weet u|
    luister|zeg|zeg maar|dus|maar|en|hoor|och|ja hoor|ik bedoel|zeg nou zelf|eigenlijk|precies|hé|
    oh|ah|hallo|hoi|goedemorgen|bedankt|trouwens|om eerlijk te zijn|laat ik zeggen|hoe zeg je dat|
    goeie vraag|goede vraag|wat zal ik zeggen|dank je|moet ik zeggen|amai
    links: en|maar|nou ja|ja maar|en ja|maar ja|want|ja en|kijk|tja
    soft_links: dus|ja|nee|ach|ik bedoel|nou
    subjects: ik we wij hij ze zij het je jullie u men dat dit er iedereen niemand dan
    determiners: de het een mijn m'n onze ons uw jouw je zijn z'n haar hun dit dat deze die elke
    ieder geen
    verbs: is zijn was waren heeft hebben had hadden heb ben bent wordt worden werd kan kunnen kon
    moet moeten moest wil willen zou zouden mag gaat gaan ging komt komen kwam doet doen maakt
    duurt kost werkt staat staan zegt blijft krijgt krijgen krijg vindt ziet mist geeft zit zitten
    loopt belt scheelt drukt
    joins: en maar want dus
    subordinators: dat als wanneer omdat terwijl hoewel voordat nadat zodra zolang zodat tot toen
    of wat wie waar hoe waarom welke om zonder behalve tenzij niet sinds doordat waarbij waardoor
    waarvan waarop die in
    complements: dat of wat wie waar hoe waarom als dan te om niet tenzij die behalve
    hanging: van voor met te bij naar door tegen over onder tussen per op is was heeft hebben wordt
    worden kan moet ik we wij hij ze heel zo ook
    negations: niet nooit geen niets niks niemand noch zonder nauwelijks
    doubled: dat die heel je zijn""",
    "ja": """
    fillers: えっと えーと ええと えーっと うーん あのー そのー んー えー
    openers: あの|まあ|まぁ|で|でも|ただ|あと|それで|だから|ですから|そして|しかし|いや|いやー|
    うん|はい|ええ|そうですね|そうですねえ|なんか|正直|正直なところ|正直に言うと|正直言って|実は|
    つまり|ちなみに|また|けど|けれど|それから|そうそう|そうなんですよ|ほんと|本当に|なので|だって|
    まず|例えば|たとえば|いえ|さあ|ねえ|ほら|じゃあ|では|とはいえ|ところで|そもそも|やっぱり|
    やはり|一方で|しかも|そう|おお|ありがとうございます|すみません|こんにちは|
    お世話になっております|ああ|あ|え|んで|ほんで|せやけど|逆に""",
}


def _language(table: str) -> Language:
    """Parse a table: lists as "name: words", phrases separated by bars, the longest first."""
    fields = re.split(r"\s*\b([a-z_]+): ", table)[1:]
    parsed: dict[str, object] = {}
    for name, words in zip(fields[::2], fields[1::2], strict=True):
        if "|" in words:
            phrases = (" ".join(phrase.split()) for phrase in words.split("|"))
            parsed[name] = tuple(sorted(phrases, key=len, reverse=True))
        else:
            parsed[name] = word_set(words)
    language = convert(parsed, Language)
    also = language.determiners | language.joins | language.subordinators
    return replace(language, hanging=language.hanging | also)


LANGUAGES: Final = {name: _language(table) for name, table in _TABLES.items()}


def code(language: str | None) -> str:
    """The code of a language tag such as "pt-BR"; "en" for unknown languages."""
    short = (language or "").lower().replace("_", "-").partition("-")[0]
    return short if short in LANGUAGES else "en"
