"""English, German and Dutch words of dates, without accents."""

from typing import Final

# "The first" is a date only at the end of a clause or before one of the words of <more>.
# Modal verbs are lower case, months are not: "option 2 may work".
ENGLISH: Final = r"""
days       monday tuesday wednesday thursday friday saturday sunday
months     jan(?:uary)?\.? feb(?:ruary)?\.? mar(?:ch)?\.? apr(?:il)?\.? may june? july?
           aug(?:ust)?\.? sept?(?:ember)?\.? oct(?:ober)?\.? nov(?:ember)?\.? dec(?:ember)?\.?
numbers    one|an? two|(?:a_)?couple(?:_of)? three four five six seven eight nine ten eleven
           twelve thirteen fourteen fifteen
suffix     st|nd|rd|th|
ordinals   first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth
           thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth
           twenty_* thirtieth thirty_first
units      days? weeks?|w months?|m quarters?|q years?|y (?:business|working)_days? hours? minutes?
           week_?ends?
aheads     (?:later_)?this (?:the_)?(?:next|coming|following) (?:the_\w+_)?after_next
parts      end|close|last_day middle|mid early|beginning|start
<noon>     noon|midday|midnight|lunch(?:time)?
<close>    eod|cob|(?:the )?(?:end|close) of (?:the )?(?:business(?: day)?|day)
<hour>     \d{1,2}(?: ?[ap]\.?m\.?| o'clock)?
by         (?:by|before|until|till|(?:no|not) later than)(?: (?:<noon>|<close>|<hour>)(?: on| of)?)?
latest     at the (?:very )?latest|latest
<time>     (?:,? (?:morning|afternoon|evening|night|(?:at |by |before )?(?:<noon>|<close>)|
           first thing))?
<more>     and|or|at|on|by|morning|afternoon|evening|night|noon|with|to|so|if|but|in|for|from|
           before|after|works?|then|please|latest|we|i|you|he|she|they|it|when|because|instead|
           too|as|next|this|about|is|will|would|should|that|which|the|around|end
<end>      (?=$|[ ]?[^\w ]|[ ]<more>(?!\w))
<past>     last|past|since|every|each|previous
<gone>     (?:last week|before last)
<the>      (?:the |over |on |during )
<of>       (?: of)?(?: the)?[ -](?:business |calendar |work(?:ing)? ?)?
<or>       or|to
<in>       (?:in|within|over)(?: the next)?(?: about| around| at most)?
<maybe>    (?: on| probably| maybe| say| like){0,2}
<coming>   (?:this coming|the coming|coming|following) |
<came>     (?:'s)?
<on>       (?:by|on|before|until|till|from|than|around|,|say|maybe) (?:,? ?let's say,? )?the
<slash>    (?!)
nothing    (?<!at )(?<!before )(?<!in )(?<!for )(?:the|an?|our|your|my|
           that) <day> (?!<more>(?!\w))\w+
nothing    (?-i:may|march|mar) <n>
nothing    \d\d? (?-i:may|march|mar)
nothing    (?:for|of) (?:next|this) (?:month|quarter|year)
nothing    (?:time|for|joining (?:us|me)|of|discussed|talked about|it) today|today's
+0         (?:(?:later|first thing|still|earlier) )?today|tonight|<close>(?: today)?|right now|
           this (?:morning|afternoon|arvo|evening)|as we speak|(?:right|straight) after (?:this|
           (?:this|our|the) (?:call|meeting))|(?:as soon as|when|once|after|the minute) we hang up|
           (?:by|before) <noon>|within the (?:hour|day)|<noon> today
+1         (?:(?:first thing|<close>|<noon>),? )?tomorrow<time>
+2         (?:the )?day after tomorrow<time>
+7         (?:(?:in )?a )?week(?: from)? today
+8         (?:a )?week (?:from )?tomorrow|tomorrow week
+14        (?:(?:in )?a )?fortnight(?:(?: from)? today)?|two weeks today
distance   (?:in )?(?:<number> )?<unit> from (?:today|now|this)
distance   (?:the next )?<number> <unit>(?: (?:from|on|after) <day>|'? time)
day+7      <day> week
day+7      (?:a )?week <day>
day        <ahead> <day><time>
day        (?:the )?<day>,? (?:the week )?<ahead>
period     (?:the|(?P<ahead>next)) (?P<unit>week[ -]?end)
period     eo<unit>
period     (?:within|by|before) the (?P<unit>week)(?: is (?:out|over))?
period     (?!week)<unit>(?:'s)?[- ]end
date       (?:<day><time>,? )?<month> (?:the )?<n>(?:,? <year>)?
month/day  <m>/<d>(?:/<yy>)?
nth        the (?!first|second|third|1st|2nd|3rd)<n><end>
nth        the <n> of (?:this|the) (?P<unit>month)
"""

GERMAN: Final = r"""
days       montag dienstag mittwoch donnerstag freitag samstag|sonnabend sonntag
months     januar|janner februar|feber marz april mai juni|juno juli|julei august september
           oktober november dezember
numbers    ein(?:e[nmrs]?)? zwei drei vier funf sechs sieben acht neun zehn elf zwolf dreizehn
           vierzehn funfzehn
suffix     \.|te[nr]?
<e>        e[nrms]?
ordinals   erst<e> zweit<e> dritt<e> viert<e> funft<e> sechst<e> sieb(?:en)?t<e> acht<e> neunt<e>
           zehnt<e> elft<e> zwolft<e> dreizehnt<e> vierzehnt<e> funfzehnt<e> sechzehnt<e>
           siebzehnt<e> achtzehnt<e> neunzehnt<e> zwanzigst<e> #undzwanzigst<e> drei(?:ss|ß)igst<e>
           einunddrei(?:ss|ß)igst<e>
units      tag(?:en?|es)? wochen? monat(?:en?|s)? quartal(?:en?|s)? jahr(?:en?|es)?
           (?:werk|arbeits|geschafts)tage?n? stunden? minuten? wochenendes?
aheads     diese[nmrs]?|laufende[nmrs]? (?:nachste|kommende|folgende)[nmrs]? ubernachste[nmrs]?
parts      ende|laufe? mitte beginn|anfang
<till>     (?:bis|vor|binnen|(?:bis )?spatestens(?: bis)?)
by         <till>(?: zum| zur| am| im| dem| den| der| in der)?
latest     spatestens
<time>     (?:s?(?:fruh|morgen|vormittag|mittag|nachmittag|abend)|,? (?:fruh|morgen|vormittag|
           mittag|nachmittag|abend|nacht|in der fruh|(?:bis )?(?:zum )?(?:feierabend|
           ende des tages)))?
<end>      (?! (?-i:(?!Sie|Ihnen|Ihr|Frau|Herrn?)[A-Z]))
<past>     (?:letzte|vorige|vergangene|jede|seit)[nrms]?
<gone>     (?:letzte|vorige|vergangene)[rn] woche
<the>      (?:(?:noch|in|im|der|des|zum|zu|am) ){1,2}
<of>       (?: in)?(?: der| des| im)?(?: monats)?[ ]
<or>       bis|oder
<in>       (?:heute )?(?:in|binnen|innert|innerhalb(?: von)?)(?: den nachsten| der nachsten| etwa|
            spatestens)?
<maybe>    (?: am| wahrscheinlich| vermutlich| vielleicht| so| noch){0,2}
<coming>   (?:(?:diesen|den|am) )?(?:diesen|kommende[nrm]) |
<came>     |
<on>       (?:am|bis(?: zum)?|zum|den|ab(?: dem)?|vom|vor dem|spatestens(?: am)?)
<slash>    \.[ ]?
nothing    (?:am|gut(?:en)?|jeden|gegen|der|den ganzen|diesen|eines) morgen
nothing    (?:gesprach|termin|zeit|danke?|von)(?: fur)? heute|fur heute (?:war|ist|reicht)
+0         (?:noch )?heute<time>(?: noch)?|feierabend|(?:zum )?ende des tages|jetzt gleich|
           im laufe des (?:tages|nachmittags|abends)|
           (?:gleich|direkt|sofort) nach (?:dem|unserem|diesem) (?:gesprach|call|termin|meeting)
+1         morgen<time>
+2         ue?bermorgen<time>
+7         heute in (?:acht|8) tagen
+8         morgen in (?:acht|8) tagen
distance   (?:die|den|der) nachsten <number> <unit>
day+7      <day><time> in (?:acht|8) tagen
day        (?!komm|folg)<ahead> <day><time>
period     (?:ubers |am |dieses |kommendes |zum |das |dem |ans )(?P<unit>wochenende)
period     (?:zum |am )?(?P<unit>monats|quartals|jahres)(?:ende|(?P<part>mitte))
date       <d> <month>
date       <on> <n> <nm>
date       <on> <d>\. ?<m>\.
"""

DUTCH: Final = r"""
days       maandag dinsdag woensdag donderdag vrijdag zaterdag zondag
months     januari februari maart april mei juni juli augustus september oktober november december
numbers    een twee drie vier vijf zes zeven acht negen tien elf twaalf dertien veertien vijftien
           zestien zeventien achttien negentien twintig *entwintig dertig eenendertig
suffix     ste|de|e|
ordinals   eerste tweede derde vierde vijfde zesde zevende achtste negende tiende elfde twaalfde
           dertiende veertiende vijftiende zestiende zeventiende achttiende negentiende
           twintigste #entwintigste dertigste eenendertigste
units      dag(?:en)? we(?:ek|ken) maand(?:en)? kwarta(?:al|len) ja(?:ar|ren) werkdag(?:en)?
           u(?:ur|ren) minu(?:ut|ten) week(?:end|einde)
aheads     deze|dit|later_deze (?:de_)?(?:volgend|komend|aankomend)e? (?:de_)?daaropvolgende
parts      einde?|loop halverwege|half|midden|medio begin|vroeg
by         (?:uiterlijk|voor|tegen|tot|binnen|niet later dan)(?: op| in| aan)?(?: de| het)?
latest     (?:uiterlijk|op zijn laatst|ten laatste)
<time>     (?:ochtend|(?:na|voor)?middag|avond|nacht|,? (?:(?:in de )?(?:na|voor)middag|vroeg|
           ochtend|middag|avond|
           (?:aan het |voor het )?einde? van de (?:mid)?dag|in de loop van de dag))?
<more>     en|of|om|met|voor|bij|aan|in|op|naar|als|dan|wel|stuur|heb|krijgt?|krijgen|komt?|ik|
           we|wij|je|u|jullie|hebben|sturen|lever|is|klaar|terug|door|samen|nog|even
<end>      (?=$|[ ]?[^\w ]|[ ]<more>(?!\w))
<past>     vorige?|afgelopen|elke?|iedere?|sinds|verleden
<gone>     (?:van )?(?:vorige|afgelopen) week
<the>      (?:in de |in het |het |de |nog |aan het )
<of>       (?: in| van)?(?: de| het)?[ ]
<or>       of|tot
<in>       (?:vandaag )?(?:over|binnen|in)(?: de| het)?(?: komende| ongeveer)?
<maybe>    (?: op| waarschijnlijk| misschien){0,2}
<coming>   (?:(?:aanstaande|komende|aankomende|eerstkomende|deze|a\.s\.) )?
<came>     (?: aanstaande| a\.s\.)?
<on>       (?:op|voor|tot|uiterlijk|per|vanaf|tegen)(?: op)?(?: de)?
<slash>    [-/]
nothing    goede ?morgen|vandaag de dag|(?:in|van) de morgen|(?:gesprek|tijd) (?:van )?vandaag
nothing    <on> \d\d? uur
+0         (?:nog )?vandaag(?: nog)?|van(?:ochtend|middag|avond|nacht)|deze (?:na)?middag|
           (?:het )?einde? van de
           (?:mid)?dag|(?:direct|meteen) na (?:dit|het|deze|ons) (?:gesprek|call|meeting|overleg)
+1         morgen(?:vroeg)?<time>(?: vroeg)?
+2         overmorgen<time>
+7         vandaag over (?:acht|8) dagen
distance   de (?:komende|eerstvolgende) <number> <unit>
day+7      <day> over (?:acht|8) dagen
day        (?P<ahead>volgende) <day><time>
period     (?:het|in het|dit|komend) (?P<unit>weekend|weekeinde)
period     (?P<unit>maand|kwartaal|jaar)einde
date       (?:<on> )?<cardinal> <month>
nth        de (?!eerste|tweede|derde|1|2|3)<n><end>
"""
