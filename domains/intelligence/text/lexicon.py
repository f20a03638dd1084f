"""What people say when something hurts, is wished for, pleases them or puzzles them.

Word lists and phrases written for this engine. Each line gives a weight in 0..1 (how sure the cue
makes us on its own) and, for a phrase, the words of which one must be present before its pattern is
tried, which keeps long transcripts fast. Patterns see lower case and plain apostrophes.
"""

import re

from msgspec import Struct

from domains.intelligence.text.words import Lazy, word_set


class Cue(Struct, frozen=True):
    """A phrase with its weight; `negatable` ones lose their meaning behind "not" or "no"."""

    weight: float
    pattern: Lazy
    negatable: bool


def _words(*rows: tuple[float, str]) -> dict[str, float]:
    return {word: weight for weight, words in rows for word in words.split()}


def _phrases(*rows: tuple[float, str, str]) -> dict[str, tuple[Cue, ...]]:
    """Cues by trigger word; a pattern that begins with "~" is negatable."""
    table: dict[str, list[Cue]] = {}
    for weight, triggers, pattern in rows:
        lazy = Lazy(r"\b(?:" + pattern.removeprefix("~") + ")")
        cue = Cue(weight, lazy, pattern[0] == "~")
        for trigger in triggers.split():
            table.setdefault(trigger, []).append(cue)
    return {trigger: tuple(cues) for trigger, cues in table.items()}


PAIN_WORDS = _words(
    (
        0.65,
        """crash crashes crashed crashing unusable buggy glitchy laggy unresponsive unreliable
        freezes froze freezing frustrating frustrated frustration frustrates annoying annoys
        horrible terrible awful useless nightmare painful clunky unacceptable overpriced
        unintuitive counterintuitive corrupted corrupts flaky outage""",
    ),
    (
        0.5,
        """slow slower slowly sluggish lag lags lagging broken breaks error errors bug bugs
        glitch glitches fail fails failed failing failure failures stuck hangs freeze frozen
        timeout timeouts outages downtime difficult complicated cumbersome tedious confusing
        confused confuses inconsistent inaccurate incorrect worst hate hated hates struggle
        struggles struggled struggling disappointed disappointing disappointment ridiculous poor
        poorly ugly overwhelming overwhelmed inconvenient hassle pointless mess messy lousy sucks
        suck crap rubbish garbage unstable annoyed irritating unable impossible blocker workaround
        workarounds cluttered outdated disappears disappeared vanishes vanished lacks lacking
        unhappy unclear unreadable""",
    ),
    (
        0.4,
        """worse lost loses losing missing lack complaint complaints complain wrong wrongly bad
        badly delay delays delayed waste wasted wasting blocked crazy manually duplicates
        duplicated expensive pricey drains harder interrupted mismatch disconnects disconnected
        refuses risky scattered forced misleading broke""",
    ),
    (
        0.25,
        "problem problems issue issues hard barely weird limited refund waiting unfortunately "
        "chasing stretched struggle",
    ),
)

PRAISE_WORDS = _words(
    (
        0.6,
        """love loves loved loving amazing awesome fantastic excellent brilliant wonderful superb
        outstanding lovely flawless flawlessly lifesaver delighted fabulous phenomenal
        exceptional""",
    ),
    (
        0.45,
        """great perfect perfectly best impressive impressed intuitive seamless seamlessly helpful
        useful handy favorite favourite favorites recommend recommended beautiful beautifully
        enjoy enjoyed enjoying pleased convenient smooth smoothly effortless effortlessly
        addictive reliable satisfied genius gem""",
    ),
    (
        0.35,
        """easy easier easily fast faster quick happy fun powerful responsive glad clean appreciate
        straightforward accurate pleasant""",
    ),
    (0.25, "good nice cool simple quickly solid stable neat works thanks better pretty helps"),
)

NEGATORS = word_set(
    """
    no not never without hardly none neither nor zero cannot nothing aren't isn't wasn't weren't
    don't doesn't didn't can't couldn't won't wouldn't shouldn't haven't hasn't hadn't ain't dont
    doesnt cant wont isnt
    """
)

_CAN_NOT = (
    r"(?:can't|cant|can not|cannot|could not|couldn't|unable to|(?:not|never|wasn't|isn't|aren't) "
    r"(?:been )?able to)"
)
_NOT_TRIGGERS = (
    "can't cant cannot couldn't could can unable able don't doesn't didn't isn't aren't "
    "wasn't weren't won't wouldn't not dont doesnt wont"
)

PAIN_PHRASES = _phrases(
    (
        0.5,
        _NOT_TRIGGERS,
        _CAN_NOT + r" (?!wait|complain|say\b|remember|recall|believe|think|hear|imagine|go wrong|"
        r"tell you|speak|stop|recommend|live|praise|even (?:remember|imagine|begin)|help but|"
        r"hurt)\w+",
    ),
    (
        0.6,
        "won't doesn't don't didn't isn't not wont doesnt dont will does do did aren't wouldn't",
        r"(?:(?:wo|do|does|did|is|are|was|were|would|has|have)(?:n't| not)|wont|doesnt|dont|"
        r"didnt|isnt) "
        r"(?:even |really |always |actually |currently |seem to |appear to |been )*"
        r"(?:work|load|open|sync|save|let|allow|respond|start|update|show|display|"
        r"connect|match|appear|refresh|recognize|recognise|upload|download|send|play|support|"
        r"arrive|"
        r"receive|get (?:any|the)|come through|go through|scale|add up|integrate)",
    ),
    (0.6, "stopped quit", r"(?:stopped|quit) (?:work|load|sync|send|respond|receiv|show|updat)ing"),
    (0.55, "longer", r"no longer (?:work|load|sync|open|show|able|possible|available|support|let)"),
    (
        0.55,
        "keeps keep kept",
        r"(?:keeps?|kept) (?:on )?(?:crash|freez|fail|disconnect|logg|kick|los|ask|los|stopp|chang|"
        r"disappear|reset|show|say|tell|gett|los|los|lagg|tim|spinn|pop|break|forgett|"
        r"return)\w*ing",
    ),
    (0.45, "keep keeps", r"(?:i|we|users|they) keep (?:having|getting|seeing|running|losing)"),
    (
        0.55,
        "takes take took taking",
        r"(?:takes?|took|taking)\b[^.,;]{0,30}?(?:too long|forever|ages|so long|way too|"
        r"a long time|(?<=\w )(?:minutes|hours|days|weeks|months)\b(?! of| at| in|-)|"
        r"(?:\w+ |\d+ |half an |an )(?:minutes?|hours?|seconds?|days?|weeks?|clicks|steps)\b)",
    ),
    (
        0.5,
        "hard difficult impossible tricky tough confusing painful harder tedious cumbersome",
        r"~(?:hard|difficult|impossible|tricky|tough|confusing|painful|harder|tedious|cumbersome) "
        r"(?:for \w+ )?to \w+",
    ),
    (
        0.45,
        "too",
        r"~too (?:many|much|slow|long|expensive|complicated|complex|hard|small|big|often|difficult|"
        r"easy to|heavy|rigid|basic|limited|confusing|low|high|cluttered|late|short|large|noisy)",
    ),
    (
        0.5,
        "have has having had",
        r"(?:have|has|having|had) to (?:\w+ly|export|copy|re-?\w+|restart|log (?:in|out|back)|go "
        r"(?:through|back|into)|click|switch|double|call|wait|scroll|dig|ask|jump|guess|chase|"
        r"start over|start again|force|uninstall|close|keep (?:\w+ing)|do (?:it|this|that) "
        r"(?:again|by|all|manually)|type|paste|stitch|reconcile|maintain|fight)\b",
    ),
    (0.5, "trouble troubles", r"~(?:trouble|troubles) (?:with|finding|getting|\w+ing)"),
    (0.4, "problem problems issue issues", r"~(?:problems?|issues?) (?:with|when|is|are|in|on)\b"),
    (0.45, "having", r"having (?:\w+ ){0,2}(?:problems?|issues?|difficult\w+)"),
    (
        0.5,
        "not isn't aren't wasn't don't doesn't didn't never",
        r"(?:not|isn't|aren't|wasn't|never|doesn't|don't|didn't) (?:very |really |always |"
        r"at all |so |"
        r"that |been |entirely )?(?:clear|obvious|intuitive|easy|reliable|accurate|user.friendly|"
        r"possible|supported|available|helpful|useful|working|loading|syncing|responding|"
        r"showing|saving|opening|happy|satisfied|impressed|worth|good|great|ideal|make sense|fun|"
        r"understand|usable|responsive|stable|secure|correct|consistent|compatible|enough)\b",
    ),
    (0.55, "no", r"no (?:way|option|ability|means) (?:to|of|for)\b"),
    (
        0.5,
        "spend spent spends spending loses lose",
        r"(?:spend|spent|spends|spending|lose|loses) (?:\w+ ){0,2}(?:\d+|two|three|four|"
        r"five|six|ten|half|whole|"
        r"several|countless|many|entire) (?:an? )?(?:hours?|days?|weeks?|mornings?|afternoons?)",
    ),
    (
        0.55,
        "complain complains complained complaining complaints",
        r"(?:complain(?:s|ed|ing)?|complaints) (?:that|about|of)",
    ),
    (
        0.4,
        "only",
        r"only (?:goes|supports|shows|lets|works on|allows|keeps|covers|lasts|exports|syncs|"
        r"handles)\b",
    ),
    (0.6, "waste", r"waste of (?:\w+ )?(?:time|money|space|effort)"),
    (
        0.5,
        "biggest main pain drives drive only worst real annoying thing",
        r"(?:biggest|main|major|real|only|worst) (?:challenge|problem|issue|pain|frustration|"
        r"complaint|headache|annoyance|gripe|downside|drawback|blocker|concern)|pain (?:point|in)|"
        r"drives? (?:me|us|people|them|everyone) (?:crazy|nuts|mad|up)|what annoys",
    ),
    (0.5, "gave give fed sick tired", r"(?:gave up|give up on|fed up|sick of|tired of)"),
    (
        0.5,
        "falls fall times timed logs logged kicks kicked fell time",
        r"(?:falls? (?:over|apart|short|behind)|fell (?:over|apart)|times? out|timed out|"
        r"(?:logs?|logged|kicks?|kicked|logging) (?:me|us|you|users|people|everyone) out)",
    ),
    (
        0.4,
        "no",
        r"(?:there(?:'s| is| are|'re| was)|has|have|with|offers?|got) no (?!problems?|issues?|"
        r"doubt|"
        r"need|rush|worr|complaint|question|longer|idea|matter|better|wonder|lag|bugs?|crash|"
        r"delay|hassle|trouble|reason|hidden|more\b|one\b|ads\b|such|time\b)\w+",
    ),
    (
        0.5,
        "nobody one people know idea",
        r"(?:nobody|no one|no-one) (?:\w+ ){0,4}(?:uses?|knows?|understands?|finds?|can)|"
        r"(?:don't|doesn't|didn't) (?:even )?know (?:how to|where)|no idea (?:how|where|why|which)",
    ),
    (
        0.35,
        "since after ever",
        r"(?:since|after) (?:the |this |your |my |i |we )?(?:last |latest |new |recent |"
        r"\w+ )?(?:update|updat\w+|upgrad\w+|release|version|migration)",
    ),
    (
        0.5,
        "charged billed",
        r"(?:charged|billed) (?:me |us )?(?:twice|double|again|wrong|for (?:a|the|some))",
    ),
    (
        0.5,
        "lost lose",
        r"(?:lost|lose|losing) (?:all|my|our|data|hours|work|everything|the|a whole|track)",
    ),
    (
        0.5,
        "error exception code",
        r"error (?:message|code|\d+)|(?:throws?|getting|get|gives|shows|says) "
        r"(?:an? |me an |us an )?(?:\w+ )?(?:error|exception)",
    ),
    (
        0.45,
        "fix fixed",
        r"(?:please|pls|plz|needs? to be|must be|get this|has to be) fix(?:ed)?\b|fix (?:it|"
        r"this|the|your)",
    ),
    (
        0.4,
        "money uninstall uninstalled uninstalling switch switching",
        r"want (?:my )?(?:\w+ )?money back|uninstall(?:ed|ing)?\b|"
        r"(?:thinking about|thinking of|considering|going to|had to|we) switch(?:ing)? (?:to|away)",
    ),
    (
        0.4,
        "wish",
        r"wish (?:it|this|they|you|the \w+) (?:didn't|wouldn't|weren't|wasn't|would stop)",
    ),
    (0.4, "shouldn't should", r"shouldn't (?:have to|need|take|be)"),
    (0.45, "expected", r"(?:not|n't) (?:what|as) (?:i |we )?expected"),
    (0.45, "forces force", r"forces? (?:me|us|you|users|people|everyone) to"),
    (
        0.4,
        "hours day days week afternoon",
        r"(?:spend|spent|spending|costs? (?:me|us)|lose|takes? (?:me|us)) "
        r"(?:\w+ ){0,3}(?:hours?|days?|afternoons?|week\w*)",
    ),
)

_WANTED = (
    r"(?:nice|great|good|cool|awesome|helpful|useful|amazing|perfect|lovely|fantastic|ideal|better|"
    r"easier|simpler|faster|handy|excellent|neat|wonderful|appreciated|terrific|super|brilliant|"
    r"beneficial|interesting)"
)
_BUILD = (
    r"(?:add|make|fix|include|provide|implement|support|enable|allow|bring|let|give|create|improve|"
    r"introduce|change|remove|offer|consider|put|increase|integrate|extend|expose|restore|"
    r"update|release|open up|get rid|revert|simplify|separate|build|develop|show|move|port|return)"
)
_USE = (
    r"(?:be able|see|have|add|export|import|filter|sort|search|share|edit|delete|customi[sz]e|"
    r"set|schedule|use|access|create|change|choose|select|view|group|track|save|turn|assign|"
    r"compare|download|upload|print|sync|connect|link|tag|combine|copy|drag|move|switch|get|"
    r"control|manage|undo|merge|rename|attach|mark|pick|disable|enable|hide|show|run|automate)"
)

REQUEST_PHRASES = _phrases(
    (
        0.8,
        "would be it'd it'll i'd that'd will could",
        r"(?:would|'d|'ll|will|could|i'd) (?:\w+ )?be (?:\w+ )?"
        + _WANTED
        + r"(?: (?:if|to|for|when|that|is|feature|addition|idea|option|way|having)\b|[.!,]|$)",
    ),
    (
        0.5,
        "would be it'd",
        r"(?:would|'d|could) (?:\w+ )?be (?:so |a |an |very |really |much |more |even |extremely )*"
        + _WANTED,
    ),
    (
        0.7,
        "would it'd i'd",
        r"(?:would|'d) (?:make|help|save|really help|solve|go a long way)\b[^.]{0,60}\b(?:if|"
        r"to|easier|better|time|lot)",
    ),
    (
        0.8,
        "wish wished wishing",
        r"(?:i|we|users|customers|they|people|just|really|only) wish(?:ed)? (?!you|them|him|"
        r"her|everyone|us\b)|wish (?:there|it|i|we|you (?:could|would|had)|they|the|that)",
    ),
    (
        0.75,
        "love",
        r"(?:would|'d|i'd|we'd) (?:really |absolutely |also |just )?love (?:to|a|an|it if|if|"
        r"for|some|the|more|this)\b",
    ),
    (
        0.7,
        "like prefer want need hope",
        r"(?:would|'d|i'd|we'd) (?:really |also |much |definitely )?(?:like|prefer|"
        r"want) (?:to |it to |you to |the |a |an |some |more )?(?:"
        + _USE
        + r"|if\b|(?:option|ability|feature|way|possibility)\b)",
    ),
    (0.55, "like", r"(?:would|'d|i'd|we'd) (?:really )?like (?:a|an|some|more|it if)\b"),
    (
        0.6,
        "want wants wanted",
        r"(?:i|we|users|customers|people|they|everyone|who) (?:all |really |just |"
        r"also )?wants? (?:to (?:"
        + _USE
        + r")|an? \w+|more|the ability|(?:\w+ ){0,2}feature|better)\b",
    ),
    (
        0.65,
        "please pls plz kindly pleeease pleaseee",
        r"(?:please|pls|plz|kindly)\b,? (?:\w+ ){0,2}?"
        + _BUILD
        + r"\b(?! me (?:know|a call)| us know)",
    ),
    (
        0.55,
        "should",
        r"(?:you|they|it|there|users|developers?|we|apps?|this|that|devs|\w+) should (?:also |"
        r"really |at least |just |definitely |not |only )*(?:be|have(?! (?:\w+(?:ed|en)|been|"
        r"had|done|gone|said|put|got)\b)|add|support|allow|include|provide|let|make|offer|"
        r"give|consider|get|implement|open|show|enable|fix|remove|bring|improve|work|do|come|"
        r"create|go|use|at)\b",
    ),
    (
        0.55,
        "needs need needed",
        r"needs? (?:to (?:be able|be|have|add|support|allow|include|improve|fix|work|show|let|"
        r"make|get|implement|provide)\b|an? |the ability|more |better |some |improve|support|"
        r"access|options?)",
    ),
    (
        0.55,
        "we i users need",
        r"(?:i|we|users|developers|devs|customers|teams?) (?:really |also |still |all |just |"
        r"desperately )?need (?:\w+ ){0,4}(?:support|option|feature|ability|api|apis|way|"
        r"button|setting|filter|view|integration|export|mode|control|access)\w*",
    ),
    (
        0.5,
        "need needed needs",
        r"(?:we|developers|users) (?:really |desperately |also )need (?!to\b)\w+|\w+ (?:is|"
        r"are) (?:really |badly |sorely )?needed\b|^(?:really |badly )?needs? (?:an?|the|more|"
        r"some) \w+",
    ),
    (
        0.5,
        "should",
        r"\w+ should (?:not |n't |always |never |automatically |by default )?(?!i\b|we\b|"
        r"have \w+(?:ed|en)\b|have been|it be|know|do the|be (?:fine|okay|ok|good|here|there|"
        r"done))[a-z]+",
    ),
    (0.5, "ought", r"ought to \w+"),
    (
        0.75,
        "could can would",
        r"(?<!why )(?<!how )(?<!what )(?<!where )(?<!when )(?:could|can|would|"
        r"will) you (?:please |guys |maybe |possibly |also |at least |just |pls |kindly )*"
        + r"(?!show\b|put\b|move\b|give me\b|give us\b)"
        + _BUILD
        + r"\b(?! (?:me|us|you) (?:know|a call|have|the order))",
    ),
    (
        0.7,
        "plans plan planning roadmap",
        r"any (?:plans?|chance)\b[^.]{0,30}\b(?:to|for|of|on)\b|(?:are you|"
        r"do you) plan(?:ning)?\b|on (?:your|the) roadmap",
    ),
    (
        0.9,
        "feature enhancement improvement suggestion request",
        r"(?:feature|enhancement|improvement) requests?\b|(?:my|one|a|another|"
        r"small) (?:suggestion|feature request|request|wish)\b",
    ),
    (
        0.7,
        "suggest suggestion suggestions propose recommend",
        r"(?:i|we|i'd|we'd|would|to) (?:would |'d )?(?:like to |strongly )?(?:suggest|propose|"
        r"recommend that)\b|(?:some|few|my) suggestions?\b",
    ),
    (
        0.6,
        "hope hoping hopefully",
        r"(?:i|we|really|am|i'm|we're) hop(?:e|ing) (?:you|to see|for|that|the|it|they|"
        r"there)\b[^.]{0,40}\b(?:add|will|can|fix|support|gets?|soon|next (?:update|version|"
        r"release))\b|hopefully (?:you|they|the|this|it|there)",
    ),
    (0.5, "looking", r"looking for (?:a|an|some) (?:way|option|feature|possibility|solution)"),
    (0.55, "there", r"there (?:should|must|needs to|has to|ought to) be\b"),
    (
        0.65,
        "able",
        r"(?:want|need|like|love|should|nice|great|good|wish|must|have|us|helpful|useful|"
        r"ability) to be able to|(?:should|must|could) be able to",
    ),
    (0.7, "bring back", r"bring (?:it |this |that |the \w+ )?back\b|go back to the old"),
    (
        0.55,
        "lack lacks lacking missing miss",
        r"(?:lacks?|lacking|missing) (?:an? |the |any |some |of )?(?:\w+ ){0,2}(?:option|"
        r"feature|ability|support|mode|setting|button|integration|filter|search|view|"
        r"function)\w*|only thing (?:it'?s? )?(?:missing|lacks)|what(?:'s| is) missing",
    ),
    (
        0.55,
        "option ability possibility",
        r"(?:an option|the option|option|ability|possibility|a way|the ability) (?:to|for|"
        r"of)\b(?=[^.]{0,80}(?:would|should|nice|great|please|need|!|$))",
    ),
    (0.4, "support", r"support (?:for|of)\b|(?:native|better|full|proper|built-in) support"),
    (
        0.6,
        "consider",
        r"(?:please |should |would you )?consider (?:adding|to|making|allowing|supporting|"
        r"providing|including|implementing|a|an)\b",
    ),
    (
        0.55,
        "why",
        r"why (?:not|don't you|can't (?:we|you|i|it)|doesn't it) (?:just )?(?:add|have|make|"
        r"let|allow|include|support|use|give|put|provide)?",
    ),
    (
        0.6,
        "if",
        r"if only|if (?:you|they|it|we|i|there|one|the \w+) (?:guys |just |also )?(?:could|"
        r"would|had|added|can add|were|was a|add|made)\b[^.]{0,90}\b(?:would|perfect|great|"
        r"stars?|better|nice|awesome|'d|love)\b|\b(?:stars?|perfect|better|great|nice|"
        r"love it)\b[^.]{0,40}\bif (?:you|they|it|we|i|there|one)\b",
    ),
    (0.5, "ideally", r"ideally"),
    (0.6, "how about", r"how about (?:adding|a|an|making|letting|allowing|some)\b"),
    (
        0.5,
        "more less better",
        r"(?:more|better|additional|improved) (?:\w+ )?(?:options|features|controls?|"
        r"customi[sz]ation|filters|flexibility|integrations?|settings|support|colou?rs|"
        r"choices|variety)\b",
    ),
    (
        0.5,
        "instead",
        r"(?:should|could|would|rather|let|make|allow|please)\b[^.]{0,60}\binstead of",
    ),
    (0.45, "time about", r"(?:it's|its|it is) (?:about )?time (?:to|for|you|that)"),
    (
        0.55,
        "improve improved improvement improvements",
        r"(?:could|should|can|must|needs?|room|to) (?:be |to be |for |some )?improve",
    ),
    (0.4, "must have", r"must (?:be|have|support|provide|allow|include)\b"),
    (
        0.4,
        "allow allowing let letting",
        r"(?:allow|allowing|letting|let) (?:users?|us|me|people|developers?|customers?|apps?|"
        r"the user|it|them|for|access|third|more) (?!know\b)\w+",
    ),
)

IMPERATIVE = re.compile(
    r"^(?:\W*(?:please|pls|plz|also|and|just|or|so|then|but|maybe|kindly|at least|at minimum),? )*"
    r"(?:add|allow|make|give|provide|enable|include|support|let|fix|improve|implement|introduce|"
    r"bring|create|change|remove|offer|expose|extend|increase|put|get rid|integrate|open up|"
    r"restore|simplify|separate)\b(?!'s)(?! (?:me\b|us\b|sure (?:to|you|your|that)|friends|"
    r"sense|(?:my|our) day|up\b))"
)

PRAISE_PHRASES = _phrases(
    (
        0.55,
        "works work working",
        r"(?:works?|working) (?:so |really |very |just |absolutely )?(?:great|well|perfectly|"
        r"fine|like a charm|beautifully|flawlessly|as (?:expected|advertised|described)|"
        r"amazingly|good|every time)",
    ),
    (
        0.55,
        "saves save saved saving",
        r"sav(?:es?|ed|ing) (?:me|us|my|our|a lot|so much|hours|time|tons|lots|the team)\b",
    ),
    (
        0.65,
        "live imagine without happier praise thank",
        r"(?:can't|cannot|couldn't|could not) (?:live|imagine|do|work|be happier|survive|"
        r"praise|recommend|thank)\b",
    ),
    (0.6, "game changer life lifesaver", r"game.?changer|life.?saver|a joy to|must.have"),
    (
        0.4,
        "so really very super extremely incredibly surprisingly",
        r"~(?:so|really|very|super|extremely|incredibly|surprisingly) (?:easy|simple|fast|"
        r"quick|useful|helpful|intuitive|handy|good|nice|well|happy|pleased|smooth|convenient|"
        r"impressed)",
    ),
    (0.6, "highly", r"highly recommend"),
    (0.4, "star stars", r"(?:five|5) stars?\b(?! if)"),
    (0.45, "well", r"well (?:designed|made|done|thought|organi[sz]ed|built|worth)"),
    (
        0.5,
        "good great",
        r"keep up the (?:good|great)|(?:good|great|nice|excellent) (?:job|work|app|tool|"
        r"product|service)",
    ),
    (
        0.45,
        "no without never",
        r"(?:no|without|never had|never|zero) (?:any |a |single |an )?(?:complaints?|issues?|"
        r"problems?|hassle|bugs|crash\w*|downtime|trouble)",
    ),
    (
        0.45,
        "like love best favorite favourite",
        r"(?:thing|part|what|feature) (?:that )?(?:i|we|they|users)?(?:'ve)? ?(?:really |"
        r"always )?(?:like|love|enjoy|appreciate)",
    ),
    (
        0.4,
        "like likes liked",
        r"(?:i|we|users|customers|they|people|everyone|team) (?:really |do |also |especially |"
        r"particularly |actually |all )?(?:like|likes|liked) (?!to\b|a\b|that's|this:|i\b|you)",
    ),
    (
        0.3,
        "made makes make",
        r"(?:made|makes?) (?:my|our|it|life|everything|the|things) (?:\w+ ){0,3}(?:easier|"
        r"easy|simple|better|faster|a breeze|so much)",
    ),
    (0.3, "helps helped", r"help(?:s|ed) (?:me|us|my|our|the team)\b"),
)

QUESTION_PHRASES = _phrases(
    (
        0.5,
        "does do",
        r"(?:does|do|did) (?:it|you|this|that|the|your|they|we|any|all|i|"
        r"\w+) (?:\w+ ){0,4}(?:support|have|offer|integrate|work|include|allow|need|handle|"
        r"cost|sync|provide|come|store|connect|require|keep|export|scale|charge|let|pay|use)\b",
    ),
    (
        0.5,
        "can could",
        r"(?:can|could) (?:i|we|it|users|the|this|they|that|our|my|someone|people|"
        r"you (?:export|import|filter|set|connect|use|share|see)) \w+",
    ),
    (0.55, "possible way there", r"(?:is|are|was) (?:it possible|there (?:a|an|any|some))\b"),
    (
        0.55,
        "how",
        r"how (?:do|can|would|does|should|did|to|is|are) (?:i|we|you|it|the|this|that|your|"
        r"users|people|they|our|my|\w+)\b|how (?:much|long|many|often|secure|accurate|soon)\b",
    ),
    (0.5, "happens happen", r"what happens? (?:if|when|to|with)"),
    (0.5, "when", r"^(?:\w+ ){0,2}when (?:will|can|is|are|do|does)\b"),
    (
        0.45,
        "where which why",
        r"^(?:\w+ ){0,2}(?:where|which|why) (?:do|does|is|are|can|did|would|of|\w+ do)\b",
    ),
    (0.45, "what", r"what(?:'s| is| are| does| kind| sort| would| data| do)\b"),
    (
        0.4,
        "wonder wondering curious",
        r"(?:wondering|wonder|curious|not sure|unsure) (?:if|whether|how|what|about|why)",
    ),
    (
        0.35,
        "know question",
        r"(?:like|want|need) to know (?:if|whether|how|what|when)|(?:my|our|one|another|"
        r"a) question (?:is|was|about)",
    ),
)

TOPIC_WORDS = word_set(
    """
    account api app apps integration integrate integrations export exports import report reports
    dashboard dashboards data security sso login password permission permissions role roles price
    prices pricing cost costs plan plans license licence seat seats contract trial invoice billing
    subscription discount support feature features version update updates mobile desktop browser
    sync backup storage encryption gdpr compliance audit workflow automation notification
    notifications email alert alerts template templates user users team customer customers admin
    setup onboarding migration migrate rollout deployment deploy configure configuration setting
    settings filter filters search performance device devices screen button buttons card payment
    payments transfer transaction transactions refund order delivery upgrade downgrade limit
    limits pipeline crm salesforce slack excel csv pdf webhook webhooks connector connectors file
    files document documents product service tool software platform system interface website model
    metric metrics chart charts calendar contact contacts message messages language offline
    """
)
"""Words that make a question one about a product rather than small talk."""

IDIOMS = re.compile(
    r"no (?:problem|worries|issues? at all|doubt|wonder|big deal)|not (?:bad|only)\b|not a problem|"
    r"(?:can't|cannot|can not) (?:wait|complain)|the problem is solved|never mind|why not\?|"
    r"too bad\b|oh,? great\b|good (?:morning|afternoon|evening|night|luck|question|point|idea)|"
    r"great (?:question|point|idea|day|weekend|evening)|nice to (?:meet|see you|talk)|"
    r"best (?:regards|wishes|practices?)|"
    r"kind regards|thanks in advance|thank you in advance|make sense\?|pain killers?|error bars?|"
    r"issue (?:tracker|tracking|management|list)|bug (?:tracker|tracking|report form)|slow down|"
    r"hard (?:drive|disk|copy|coded|wired|work(?:ing)?)|fast food|missed? you|at (?:its|"
    r"their) best|"
    r"the best (?:way|practice|thing to do)|problem (?:solving|statement)|what's wrong\?|"
    r"better than nothing|"
    r"as (?:it|they|we|i) should|as (?:quickly|soon|fast) as|not too bad|good (?:bye|to go)|"
    r"well done\b(?=[.!]?$)|slow(?:ly)? but surely|"
    r"do(?:es)? (?:a )?(?:good|great) job of (?:hiding|losing)"
)
"""Phrases whose words would mislead; they are blanked before anything is scored."""

FIX_IT = re.compile(
    r"\b(?:(?:please|pls|plz|kindly|can you|could you|will you|just|and|to|must) ){0,2}fix"
    r"(?:\s*[.!]*$| (?:it|this|that|asap|soon|now|please|these|them)\b(?! \w*(?:issue|bug|"
    r"problem)))"
)
"""A plea that names nothing; it belongs to the trouble that was told before it."""

CONTEXT_CUES: dict[str, dict[str, float]] = {
    "user_interview": _words(
        (2.0, "interviewer interviewee interview interviews"),
        (1.0, "researcher participant walkthrough usability persona typical typically workflow"),
        (0.5, "describe currently usually routine tell"),
    ),
    "feature_feedback": _words(
        (1.5, "feedback review reviews reviewer reviewers beta"),
        (1.0, "feature features stars star app update updates uninstall version prototype"),
        (0.5, "design interface button screen rating usability"),
    ),
    "support_request": _words(
        (2.0, "ticket agent helpdesk"),
        (1.0, "refund order account username password reset error support invoice troubleshoot"),
        (0.5, "help issue contacted urgent resolve resolved return restart"),
    ),
    "sales_call": _words(
        (2.0, "demo pricing procurement proposal prospect negotiation"),
        (
            1.0,
            "rep csm ae enterprise salesperson budget contract quote discount trial seats "
            "licence license deal vendor vendors renewal",
        ),
        (
            0.5,
            "plan plans cost price offer competitor competitors rollout evaluation buy "
            "purchase decision stakeholders",
        ),
    ),
    "market_research": _words(
        (2.0, "respondents interviewees cohort survey surveyed"),
        (1.0, "market segment segments trend trends findings study percent sample panel research"),
        (0.5, "competitors adoption demographic industry participants users customers"),
    ),
    "internal_meeting": _words(
        (1.5, "agenda minutes standup retrospective sprint backlog stakeholder kick-off kickoff"),
        (
            1.0,
            "meeting presentation powerpoint colleagues brainstorm prototype deadline "
            "manager designer",
        ),
        (0.5, "manager project design decide budget discuss roadmap marketing milestone"),
    ),
}
"""Weights of words that speak for a context label."""
