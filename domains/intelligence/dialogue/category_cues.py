"""English phrases and words of titles by which categories of conversations are known."""

import re
from typing import Final

from domains.intelligence.findings import Audience

# Phrases written for this engine.
_EXTERNAL: Final[dict[str, str]] = {
    "prospect_discovery": r"""
        how (?:do|does) (?:you|your (?:team|company))|
        your team (?:handles?|does|do|manages?|works?)|understand how (?:you|your)|
        walk me through (?:your|how you) (?:current|handle|do)|
        current(?:ly)? (?:process|workflow|setup|tool)|spreadsheets?|by hand|manually|
        who else would|decision[- ]mak|weigh in|pain points?|biggest challenge|
        what happens when|learn (?:more )?about your|what are you using today|your goals|
        what prompted|thanks for making (?:the )?time|budget for this|looking to solve|
        timeline for|evaluat(?:e|ing) (?:tools|options|solutions)|
        tell me (?:a bit )?about your (?:team|company|role)|
        how many (?:people|users|seats|hours)|would it take|
        what would (?:success|good) look like|if you could change|how much time|who is involved|
        is there a budget|cost you|today we|we (?:use|rely on) (?:excel|email|spreadsheets)""",
    "prospect_demo": r"""
        share my screen|see my screen|let me show|show you|i'll click|click (?:here|on)|
        as you can see|this is the|here's the|here you can|could you show|
        can it (?:do|filter|export)|does it (?:support|integrate|work)|demo|walk you through|
        what you're seeing|dashboard here|on the (?:left|right)|can you filter|this view|
        drag and drop|in the product|does that make sense|any questions so far|imagine you|
        here is where|from here you|the report builder|one click|is that configurable|
        can (?:i|we|users) (?:also|change|customi[sz]e)""",
    "prospect_trial": r"""
        trial|pilot|proof of concept|poc\b|sandbox|success criteria|evaluation|days into|
        logging in|test(?:ing)? (?:it )?(?:with|environment|workspace|account)|extend the|
        try(?:ing)? it out|free account|test drive|evaluating it|how is it going so far|
        proof of value|test group|testers?|sample data|how(?:'s| is) the (?:trial|pilot)|
        ends (?:on|next)|usage so far|evaluating|tried the""",
    "prospect_negotiation": r"""
        redlines?|order form|liability|procurement|percent off|discount|
        net (?:thirty|forty|sixty|30|45|60)|payment terms|
        (?:\w+)[- ]year (?:term|deal|contract)|multi[- ]year|prepay|
        master (?:service )?agreement|msa\b|contract terms|legal (?:has|is|needs|team)|sign by|
        counter ?offer|best (?:price|offer)|come down on|terms|clause|sow\b|final price|
        signature|final (?:offer|terms)|quote|approval from (?:legal|finance)|indemni|dpa\b|
        auto[- ]?renew|cap on|meet (?:us|you) (?:in the middle|halfway)|lower the price|
        volume discount|commit to (?:two|three|\d) years|board approval""",
    "closed_lost": r"""
        (?:another|other|different) vendor|go(?:ne|ing)? with (?:another|someone|a competitor)|
        went with|decided (?:against|not to)|not (?:moving|going) (?:forward|ahead)|
        sorry to hear|what tipped|passing on|lost (?:this|the) deal|
        chose (?:another|a different)|check back|keep the door open|
        no longer (?:interested|looking)|put (?:this|it) on hold|where (?:you|things) landed|
        their price was lower|budget (?:was|got) cut|we won't be|staying with|
        stick with (?:our|the)|cancel(?:led)? the project|no budget|
        thanks for (?:your|the) (?:effort|patience)|unfortunately we|decided to stay|
        learn from (?:this|it)|what could we have|didn't (?:work out|make)""",
    "closed_won": r"""
        contract is signed|signed the|purchase order|welcome aboard|we(?:'re| are) in\b|
        good news|it's signed|countersigned|let's get started|
        excited to (?:start|get started|work)|introduce you to (?:your|our|the)|
        implementation manager|fully executed|we have a deal|congratulations|kick ?off|
        glad to have you|approved the (?:purchase|contract)|
        we(?:'ve| have) (?:signed|chosen|picked|selected) (?:you)?|green light|
        happy to (?:say|tell)|thrilled|approved|looking forward to working|docusign|
        sent (?:over|back) the signed|you have our|let's do it""",
    "customer_onboarding": r"""
        kick[- ]?off|implementation plan|onboarding|go live|import the users|csv template|
        configure|permissions|train(?:ing)? (?:your|the|session)|admin will|data migration|
        rollout|roll out|set up (?:your|the) account|first week|in week \w+|get you set up|
        provision|who does what|getting started|set(?:ting)? up|
        walk(?:ing)? (?:your|the) team through|sso setup|connect your|workspace is ready|
        training session|admins?|first (?:steps|users)|migrat|checklist|invite your|roles""",
    "customer_support": r"""
        error|fails?|failing|bug|reproduce|ticket|workaround|which browser|
        cleared? (?:the|my) cache|times? out|crash|not working|doesn't work|restart|
        log ?in (?:issue|problem)|how can i help|what can i help|help you with|screenshot|
        sorry about that|order (?:number|id)|refund|account id|escalate|troubleshoot|
        reset (?:my|your) password|broken|since (?:yesterday|the update|this morning)|
        still (?:not|doesn't|getting)|issue|log file|can you try|steps to reproduce|
        what version|outage|stuck|won't|urgent|fix(?:ed)?|unable to|let me check (?:that|your)""",
    "customer_checkin": r"""
        quarterly review|business review|qbr|check[- ]?in|usage is|adoption|adopted|
        how are things|any concerns|goals for next|overall, any|happy with|health|
        roadmap update|how is (?:the team|everything)|what's working|since we last|
        last (?:quarter|month) we|feedback for us|touch base|
        how(?:'s| is) (?:it|everything) going|anything we can|nps|active users|
        past (?:quarter|few months)|value you|review of the|wins|next quarter|satisfied|
        success plan|monthly (?:call|sync)""",
    "customer_commercials": r"""
        renewal|renew\b|seats|per seat|enterprise tier|uplift|upsell|upgrade (?:to|your)|
        expansion|add(?:itional)? licen[sc]es|invoice|annual amount|downgrade|reduce on|
        true[- ]up|price increase|contract (?:ends|expires|is up)|cross[- ]sell|billing|
        extend (?:the|our|your) (?:contract|subscription)|more seats|pricing (?:for|on) the|
        plan change|add[- ]on|co[- ]term|subscription|proposal for (?:next|the) year|
        price (?:goes|went) up|usage overage|upgrad""",
    "interview": r"""
        thanks for applying|your last role|tell me about (?:yourself|a time)|describe a time|
        salary|your resume|your cv|notice period|could you start|why do you want|
        years of experience|strengths|weakness|hiring process|next round|this position|
        background in|led a team|candidate|role|recruiter|tell me about your|
        walk me through your (?:resume|cv|background|career)|why are you leaving|
        questions for (?:me|us)|coding exercise|take[- ]home|references|relocat|
        compensation expectations|team you managed""",
    "user_research": r"""
        no wrong answers|testing the product|not (?:testing )?you\b|think aloud|
        walk me through how you|what did you expect|what would you expect|usability|prototype|
        research(?:er)?|record this session|what comes to mind|how did that feel|participant|
        confused by|show me how you|study|first impression|task|how would you (?:find|go about)|
        tell me what you(?:'re| are) thinking|session|
        what do you (?:think|expect) (?:this|that|would)|ease of use|anything surprising|
        recruited|incentive|feel free to be honest|on a scale""",
    "vendor_call": r"""
        your (?:tool|product|service|platform|pricing) (?:for|look)|looking at your|
        security questionnaire|for our own|send (?:us )?a quote|your sla|how do you charge|
        we'd (?:also )?need you to|vendor (?:review|onboarding|form)|your roadmap|
        subprocessors?|per host|our procurement (?:process|policy)|evaluate you|your references|
        happy to help|
        we(?:'re| are) (?:evaluating|considering|comparing) (?:your|a few|several)|
        what does your (?:pricing|plan|contract)|do you (?:support|offer)|
        for our (?:team|company|platform)|as a customer of yours|soc ?2|service level|
        minimum commitment|your (?:api|support team)|another supplier""",
    "investor_call": r"""
        arr\b|mrr\b|runway|burn|raising|series [abcd]\b|valuation|cap table|investors?|
        term sheet|due diligence|the round|lead the round|fundrais|month over month|
        board (?:meeting|update|deck)|gross margin|net retention|fund\b|portfolio|
        revenue growth|growth rate|headcount plan|use of (?:the )?(?:funds|proceeds)|tam\b|
        total addressable|pre[- ]?seed|seed (?:round|extension)|lead investor|dilution|exit|
        unit economics|cac\b|ltv\b|the deck|partner meeting|check size|cash in the bank""",
    "advisor_call": r"""
        your advice|advis[eo]r|in my experience|i'd (?:start|wait|suggest|recommend)|
        would you (?:wait|hire|do)|mentor(?:ed|ing)?\b|introduce you to|what would you do|
        at (?:that|this|your) stage|if i were you|founder|sounding board|
        when i (?:was|ran|built)|i've seen|wanted your|
        your (?:take|perspective|opinion|thoughts) on|my advice|what i(?:'d| would) do|
        worth (?:considering|talking to)|don't (?:make|repeat) the mistake|
        in your (?:position|shoes)|someone you should|early on|i learned|advisory|equity for|
        board seat""",
}
_INTERNAL: Final[dict[str, str]] = {
    "one_on_one": r"""
        how are you feeling|your workload|feedback on|growth goals|promotion|career|mentor the|
        you did well|your development|performance review|anything blocking you|one[- ]on[- ]one|
        1:1|stretched|time off|vacation|how was your week|your goals|burn(?:ed|t) out|
        how are you (?:doing|really)|energy|anything (?:on your mind|i can help)|
        learn(?:ing)? goals?|next role|raise|blocked|support you|proud of|
        feedback for (?:me|you)|work[- ]life|day off|your manager|skip[- ]level""",
    "sales_team": r"""
        pipeline|forecast|quota|commit for|best case|deal review|stalled|
        close this (?:month|quarter)|territory|prospects|closing|win rate|
        where is the .{1,20}deal|bookings|account exec|deals?\b|closed (?:this|last)|upside|
        demo(?:s|ed)|outbound|sequence|reps?\b|discounting|slipped|next quarter's number|target|
        number for|opportunit|leads?""",
    "customer_team": r"""
        churn|renewals?|health score|at[- ]risk|csat|nps|support (?:queue|backlog|tickets)|
        escalations?|customer success|onboarding (?:backlog|calls)|response times?|
        accounts? at risk|csm|adoption|handover|playbook|ticket volume|sla|first response|
        renewal risk|success plan|customers? (?:is|are) (?:unhappy|at risk)|save plan|
        health scores|qbrs?|macros|help center|backlog of tickets|onboarded""",
    "marketing_team": r"""
        campaign|webinar|leads|landing page|seo|brand|content calendar|blog|newsletter|
        launch (?:post|plan|email)|conversion|ad spend|click[- ]through|positioning|messaging|
        press|event booth|social media|mql|paid search|audience|traffic|email open|
        budget for ads|creative|tagline|trade show|sponsor|demand gen|funnel|impressions|
        case stud|rebrand|copy\b|podcast|influencer""",
    "product_team": r"""
        roadmap|prioriti[sz]|user stor|spec\b|requirements?|feature|backlog|mock-?ups?|
        wireframe|user research|release|scope|design|persona|usability|interface|market trends|
        customer feedback|beta|functional|concept|customers? (?:want|ask)|mvp\b|next release|
        trade[- ]?offs?|acceptance criteria|discovery|priorit|ship\b|launch|a/b|experiment|
        target group|remote control|user interface""",
    "engineering_team": r"""
        sprint|deploy|pull request|code review|merge|migration|refactor|tests?\b|stand-?up|
        blockers?|retro|latency|incident|postmortem|on[- ]call|api\b|database|tech debt|branch|
        rollback|staging|pipeline (?:is|was) (?:red|green)|ci\b|ship(?:ped)? the fix|bug\b|
        flaky|build (?:is|broke)|kubernetes|queries|index|service|schema|feature flag|load test|
        logs?\b|cpu|memory leak|queue|release branch|pull requests|code""",
    "hr_team": r"""
        hiring|headcount|recruit|candidates?|offer letter|benefits|payroll|
        onboarding (?:new|plan)|policy|parental leave|performance cycle|
        job (?:post|description)|engagement survey|handbook|interview (?:loop|panel)|
        compensation|diversity|open roles|new hires?|onboarding week|pto\b|health insurance|
        review cycle|salary bands?|people ops|exit interview|culture|training budget|
        remote work policy""",
    "operations_team": r"""
        vendor|office|logistics|process|sop\b|inventory|shipping|warehouse|procure|facilities|
        suppliers?|compliance|audit|insurance|equipment|runbook|capacity|lease|fulfil|delivery|
        stock|forklift|carrier|floor plan|maintenance|service provider|turnaround|throughput|
        sla with|order fulfil|on[- ]site|safety|move to the new""",
    "finance_team": r"""
        budget|month[- ]end|close the books|invoices?|accounts (?:payable|receivable)|cash flow|
        expenses?|revenue recognition|audit|forecast (?:vs|against)|variance|p ?& ?l|tax|
        accrual|burn rate|reconcil|ledger|spend|spending|cost (?:centre|center|savings)|
        quarter close|payables|receivables|auditors?|cfo|runway|gross margin|payment run|vat\b|
        reforecast|overspent|under budget|depreciation""",
    "investment_team": r"""
        deal flow|investment committee|portfolio compan|term sheet|due diligence|fund\b|
        lps?\b|valuation|cap table|pass on (?:this|the) (?:deal|company)|founders?|
        follow[- ]on|thesis|pro rata|market size|moic|exit|the founders|round size|entry price|
        ownership|co[- ]?invest|diligence|memo|screening|deal team|sourcing|write[- ]off|
        mark(?:ed)? (?:up|down)|lp report|ic (?:memo|meeting)""",
    "company_wide": r"""
        all[- ]hands|town hall|everyone|company (?:update|goals|results)|welcome (?:our )?new|
        new joiners|ceo|okrs?|this quarter we|shout[- ]?outs?|whole company|questions from the|
        our mission|offsite|announce|record (?:quarter|month)|proud of (?:everyone|the whole)|
        all of you|each of you|whole team|any questions for leadership|company[- ]wide|
        our values|reorg|welcome to our|milestone|year ahead""",
}
_TITLES: Final[dict[str, str]] = {
    "closed_lost": r"closed[- ]lost|loss review",
    "closed_won": r"closed[- ]won",
    "interview": r"(?:job|candidate|hiring) interview|interview (?:with|of) candidate|phone screen",
    "investor_call": r"investors?\b",
    "advisor_call": r"advis[eo]rs?\b|advisory",
    "customer_onboarding": r"onboarding|kick-?off|implementation",
    "prospect_negotiation": r"negotiat\w+|redlines?|procurement|contract review",
    "customer_commercials": r"renewals?\b|upsell|expansion|pricing review",
    "prospect_trial": r"trial|pilot|proof of concept|poc\b",
    "prospect_demo": r"demo\b|demonstration|product tour",
    "user_research": r"user research|user interview|usability|research session",
    "prospect_discovery": r"discovery|intro(?:duction)?\b|first call",
    "customer_support": r"support|ticket|incident|troubleshoot\w*",
    "customer_checkin": r"check-?in|qbr|business review|catch-?up",
    "vendor_call": r"vendor",
    "one_on_one": r"1\s*[:-]\s*1|1 on 1|one[- ]on[- ]one",
    "company_wide": r"all[- ]hands|town hall|company[- ]wide",
    "sales_team": r"sales|pipeline|forecast",
    "customer_team": r"customer success|support team|cs team",
    "marketing_team": r"marketing",
    "engineering_team": r"engineering|sprint|stand-?up|retro(?:spective)?|deploy\w*",
    "product_team": r"product|roadmap|design (?:review|meeting)",
    "hr_team": r"hr\b|hiring|people team|recruiting",
    "finance_team": r"finance|budget|accounting",
    "operations_team": r"operations|ops\b",
    "investment_team": r"investment committee|deal flow",
}


def _compiled(phrases: dict[str, str]) -> dict[str, re.Pattern[str]]:
    return {
        name: re.compile(r"\b(?:" + re.sub(r"\s*\n\s*", "", each) + ")", re.IGNORECASE)
        for name, each in phrases.items()
    }


CUES: Final[dict[Audience, dict[str, re.Pattern[str]]]] = {
    "EXTERNAL": _compiled(_EXTERNAL),
    "INTERNAL": _compiled(_INTERNAL),
}
TITLE_WORDS: Final = {
    name: re.compile(rf"\b(?:{words})", re.IGNORECASE) for name, words in _TITLES.items()
}
