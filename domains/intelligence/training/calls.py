"""Lines of sales, support and team calls, written for this project: what AMI has none of.

They teach the first stage how people commit, settle and leave open outside of a design meeting.
"""

from typing import Final

_ACTIONS: Final = """
I'll send you the pricing sheet by Friday.
I will follow up with the contract tomorrow morning.
We'll set up a trial account for your team this week.
Let me check with our engineers and get back to you on Monday.
I'll share the recording and the slides right after this call.
Could you send me the list of users before Thursday?
Can you forward the log files to our support team, please?
We will schedule a follow-up meeting with your security team next week.
I'm going to open a ticket for this and keep you posted.
My next step is to draft the proposal and send it over.
Priya will prepare the migration plan by the end of the month.
Tom, can you take the follow-up with legal?
I'll introduce you to our implementation manager by email.
You will get the invoice from me this afternoon.
Please review the draft and send me your comments by Wednesday.
I need you to confirm the headcount before we sign.
So the action items are that I update the deck and you book the room.
Next steps: we send the data processing agreement, you get it signed.
I'll loop in our solutions architect and find a time.
We'll get you a quote for fifty seats by the end of the day.
I can put together a short summary and circulate it.
Let's schedule a demo with the finance team for next Tuesday.
I'll talk to my manager about the discount and call you back.
Anna is going to write up the requirements for the next meeting.
We'll refund the last invoice and I'll email you the confirmation.
For next time, everybody should bring three customer examples.
I'll escalate this to engineering today and update you tomorrow.
Would you be able to give us access to the sandbox by tomorrow?
Mark, please update the roadmap before the board meeting.
I will fix the export bug and deploy it tonight.
"""

_DECISIONS: Final = """
Okay, so we're going with the annual plan.
We decided to start with two teams and roll out in March.
Let's go ahead with the pilot then.
So we agreed that the launch moves to the first of June.
Good, then we'll go with the second vendor.
We are not going to support the old version any more.
That's settled: the budget is forty thousand for this quarter.
Yes, let's drop the custom integration and use the standard one.
I think we're all agreed on weekly releases.
Alright, we'll keep the price at thirty dollars per seat.
We've made the decision to move off the old system.
Then it's decided, support stays in Lisbon.
We'll go for single sign-on in the first phase and leave the rest for later.
The team chose the blue design.
So the final answer is no discount below fifty seats.
We're happy to move forward with you.
We agreed to sign by the end of the quarter.
Okay, let's do monthly billing instead.
We will hire two more engineers this year, that is approved.
Let's postpone the redesign until after the audit.
"""

_PROBLEMS: Final = """
We still don't know who will own the migration.
The question is whether legal will accept that clause.
I'm not sure if we have the budget for that this year.
We haven't figured out how to handle the duplicates.
The problem is that nobody can see why the sync fails.
It is still open whether we need single sign-on from day one.
My concern is that the rollout takes longer than we promised.
What do we do if the vendor does not deliver in time?
That's too expensive for a team of our size.
We can't decide that before we hear from finance.
The numbers don't match and we don't know why.
Should we charge for the add-on, or include it?
I don't think it is a good idea to launch without the audit log.
We need to find out whether the data can stay in Europe.
The open question for me is who approves the spending.
We keep losing customers there and have no answer to it.
How would that work for people who are offline?
But then the onboarding gets even more complicated.
I worry that the team is not going to adopt it.
That depends on whether procurement signs off.
"""

_NEITHER: Final = """
Hi, thanks for joining today.
Good morning, how are you doing?
Can you hear me okay?
Let me share my screen for a second.
Thanks for taking the time.
I'll give you a quick overview of the product first.
As you can see, this is the dashboard.
Could you tell me a bit about your team?
How many people use it today?
We are about two hundred people, mostly in Berlin.
I've been with the company for three years.
That makes a lot of sense.
What does your process look like today?
So the way it works is that you upload a file and it maps the columns.
You can filter by region and by owner.
We use spreadsheets for most of this.
Can you show me how the filter works?
I'll show you the reporting page now.
Let me pull that up.
We'll see how it goes.
That will be great.
I will say that the product has improved a lot.
Our customers are mostly in retail.
Last year we had a different vendor.
Is there anything else I can help you with today?
Have a great day.
Thank you so much for your help.
May I have your account number, please?
One moment, I will look that up for you.
Let me check that for you.
Sure, go ahead.
That sounds good to me.
We send about ten thousand emails a month.
It takes us two days every month.
I was at the conference last week.
You'll see the results on the right.
If you click here, it opens the record.
The export runs every night.
How was your weekend?
See you next week.
"""


def _lines(kinds: tuple[str, ...], text: str) -> list[tuple[tuple[str, ...], str]]:
    return [(kinds, line) for line in text.strip().splitlines()]


LINES: Final = (
    *_lines(("action", "abstract"), _ACTIONS),
    *_lines(("decision", "abstract"), _DECISIONS),
    *_lines(("problem", "abstract"), _PROBLEMS),
    *_lines((), _NEITHER),
)
"""What a line carries, of the kinds of `acts.KINDS`, and the line."""
