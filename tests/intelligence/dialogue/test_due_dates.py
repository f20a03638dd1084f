"""Due dates in speech of eight languages, relative to the day of the conversation."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.intelligence.dialogue.due_dates import due_date

WEDNESDAY = date(2026, 11, 18)

# Month and day of 2026, or of 2027 before November; `-` where the sentence names no due date.
SENTENCES = {
    "en": """
11-20 I'll send it by Friday.
11-25 Let's talk on Wednesday
11-27 next Friday works
11-19 tomorrow morning
11-20 the day after tomorrow
11-18 by end of day
11-20 by the end of the week
12-31 at the end of next month
12-31 before the end of this quarter
11-24 early next week
12-02 in two weeks
11-20 within a couple of days
11-23 in 3 business days
12-18 in a month
03-01 on the first of March
03-01 by March 1st, 2027
12-03 on 3 December
12-15 by the 15th
12-01 on 2026-12-01
11-19 send the 1st draft tomorrow
11-20 export the data of this month by Friday
11-27 on Friday the 27th
03-31 by Q1
11-20 by EOW
12-02 Friday, or rather in two weeks
11-20 by end of day Friday
11-19 by the end of the day on Thursday.
11-19 EOD tomorrow
11-18 by EOD, I think
12-03 by close of business on 3 December
12-15 no later than the 15th
12-01 the Tuesday after next
11-19 by noon Thursday
11-24 Next Tuesday, the twenty-fourth
11-22 I'll write it up over the weekend.
11-25 let's check in a week from today
11-28 within ten days
11-20 you get it by the twentieth
04-30 you'll have it by the end of April
11-30 by the end of the month
11-27 I'll have the end of next week for that
11-25 sometime in the middle of next week
11-18 I'll do it tonight.
12-31 by year-end
03-25 let's say 3/25
11-20 by Friday, so that you can read it before Monday
01-05 on the fifth of next month, no, on the fifth of January
11-20 you'll have the notes this week
11-27 I'll sort it out next week
11-24 next week, probably on Tuesday
11-20 have it at the Friday standup
12-11 by Friday, December 11th
11-19 tomorrow at noon
11-20 within 48 hours
11-20 Friday by end of day
11-30 on the last day of the month
-
- soon
- for a second
- the second time
- 31 June
- February 30th
- in 900 weeks
- I may do 5 of them
- on 2020-01-01
- a weekend
- the 1st floor
- contact the 3rd party vendor
- ask whether option 2 may work
- we march 3 people there
- send you the report from last Friday
- forward you the Monday report
- prepare the slides for next quarter
- some time in April
- by 05/03
- as soon as possible
- in a few days
- every Monday
- last week on Friday
""",
    "de": """
11-20 Ich schicke Ihnen das bis Freitag.
11-20 Übermorgen haben Sie die Zahlen.
11-19 Das mache ich morgen früh.
11-18 Ich schreibe Ihnen heute noch eine Mail.
11-25 Wir sprechen uns heute in acht Tagen.
11-25 Mitte nächster Woche
11-24 Wir sehen uns kommenden Dienstag.
11-20 kommenden Freitag
11-27 nächsten Freitag
11-24 nächste Woche Dienstag
11-26 am Donnerstag nächster Woche
12-01 übernächste Woche Dienstag
11-20 bis Ende der Woche
11-27 Ende nächster Woche
11-30 bis zum Ende des Monats
11-30 bis Monatsende
12-31 bis Ende des Jahres
12-31 bis zum Quartalsende
05-31 bis Ende Mai
12-02 in zwei Wochen
11-28 innerhalb von zehn Tagen
11-20 bis zum zwanzigsten
12-04 Ich komme am 4. vorbei.
03-05 am 5. März
03-05 bis zum fünften März 2027
03-05 am 5.3.
03-05 am 05.03.2027
09-01 am ersten September
11-22 Das lese ich am Wochenende.
11-20 bis Freitagmittag
11-19 spätestens morgen
11-20 Das Protokoll kommt diese Woche.
11-21 am einundzwanzigsten
11-20 Bis Freitag, damit Sie es vor Montag lesen können
12-01 Dienstag in einer Woche
12-03 am dritten zwölften
11-18 spätestens bis heute Abend
- letzte Woche Freitag
- Guten Morgen zusammen
- Das war letzten Freitag.
- Wir machen das jeden Montag.
- irgendwann im April
- so bald wie möglich
- ein Update auf Version 5.3
- Das ist am zweiten Standort so.
""",
    "fr": """
11-20 Je vous l'envoie vendredi.
11-20 avant vendredi midi
11-20 d'ici la fin de la semaine
11-20 après-demain
11-19 Je t'appelle demain matin.
11-18 ce soir
11-18 Je vous l'envoie aujourd’hui.
12-01 mardi en huit
11-24 mardi prochain
11-24 la semaine prochaine, plutôt mardi
11-26 jeudi de la semaine prochaine
11-27 la semaine prochaine
11-27 d'ici la fin de la semaine prochaine
11-25 en milieu de semaine prochaine
11-24 en début de semaine prochaine
11-30 avant la fin du mois
12-31 fin décembre
12-31 d'ici la fin de l'année
12-31 à la fin du mois prochain
12-02 dans deux semaines
12-02 d'ici quinze jours
11-25 sous huit jours
11-28 d'ici dix jours
11-20 avant le vingt
12-04 Je passe le 4.
03-31 avant le 31 mars
09-01 le premier septembre
09-01 le 1er septembre
03-05 le 05/03
11-22 ce week-end
11-20 Je le fais cette semaine.
11-23 lundi au plus tard
03-15 à la mi-mars
12-31 le 31
11-19 demain dans la journée
- On l'a fait en deux jours.
- vendredi dernier
- tous les lundis
- en avril
- dès que possible
- le premier client
- dans quelques jours
""",
    "es": """
11-20 Te lo mando el viernes.
11-20 antes del viernes
11-20 pasado mañana
11-19 mañana por la mañana
11-19 Te llamo mañana.
11-18 hoy mismo
11-18 esta tarde
11-24 el martes que viene
11-24 el próximo martes
11-26 el jueves de la semana que viene
11-24 la semana que viene, el martes
11-27 la semana que viene
11-27 la próxima semana
11-27 a finales de la semana que viene
11-25 a mediados de la próxima semana
11-25 de hoy en ocho
11-20 esta semana
11-20 antes del final de la semana
11-22 el fin de semana
11-30 a fin de mes
11-30 antes de fin de mes
12-31 para finales de año
04-30 para finales de abril
12-02 dentro de dos semanas
11-28 en diez días
11-20 antes del veinte
12-04 el 4
03-31 antes del 31 de marzo
09-01 el primero de septiembre
09-01 el uno de septiembre
03-05 el 05/03
11-20 el viernes a más tardar
12-10 hasta el día 10
11-20 dentro de 48 horas
12-03 el jueves 3 de diciembre
- Trabajamos por la mañana.
- el viernes pasado
- todos los lunes
- en abril
- hoy en día
- lo antes posible
- el primero de la lista
""",
    "pt": """
11-20 Até sexta eu te mando.
11-20 sexta-feira
11-20 depois de amanhã
11-19 amanhã de manhã
11-18 ainda hoje
11-18 hoje à tarde
11-24 terça que vem
11-23 na próxima segunda-feira
11-24 na terça da semana que vem
11-24 semana que vem, na terça
11-27 semana que vem
11-27 na próxima semana
11-27 até o fim da semana que vem
11-25 no meio da semana que vem
11-20 até o fim da semana
11-20 ainda esta semana
11-22 no fim de semana
11-30 até o fim do mês
11-30 no final do mês
12-31 até o fim do ano
04-30 até o final de abril
12-31 até o fim do mês que vem
12-02 em duas semanas
12-02 daqui a duas semanas
11-28 dentro de dez dias
11-20 até o dia 20
11-20 dia vinte
03-05 dia 5 de março
09-01 primeiro de setembro
09-01 1º de setembro
03-05 dia 05/03
11-20 na sexta no máximo
12-03 quinta, dia 3 de dezembro
11-25 em uma semana
- A segunda opção é melhor.
- sexta passada
- toda segunda
- em abril
- hoje em dia
- o mais rápido possível
""",
    "it": """
11-20 Te lo mando venerdì.
11-20 entro venerdì
11-20 dopodomani
11-19 domani mattina
11-19 domattina
11-18 stasera
11-18 oggi pomeriggio
11-24 martedì prossimo
11-24 la settimana prossima, martedì
11-26 giovedì della settimana prossima
11-27 la prossima settimana
11-27 entro la fine della settimana prossima
11-25 a metà della settimana prossima
11-24 all'inizio della prossima settimana
12-01 martedì a otto
11-20 entro fine settimana
11-22 nel fine settimana
11-20 questa settimana
11-30 entro la fine del mese
11-30 entro fine mese
12-31 entro la fine dell'anno
04-30 entro fine aprile
12-02 tra due settimane
11-28 entro dieci giorni
11-20 entro il venti
12-04 il 4
12-08 entro l'8
03-31 prima del 31 marzo
09-01 il primo settembre
09-01 il 1° settembre
03-05 il 05/03
11-23 lunedì al più tardi
12-02 nelle prossime due settimane
12-10 giovedì dieci dicembre
- venerdì scorso
- ogni lunedì
- ad aprile
- appena possibile
- il primo cliente
""",
    "nl": """
11-20 Ik stuur het vrijdag.
11-20 uiterlijk vrijdag
11-20 overmorgen
11-19 morgenochtend
11-19 Dat regel ik morgen.
11-18 vandaag nog
11-18 vanmiddag
11-20 aanstaande vrijdag
11-27 volgende vrijdag
11-24 volgende week dinsdag
11-26 donderdag volgende week
11-27 volgende week
11-27 eind volgende week
11-25 halverwege volgende week
11-24 begin volgende week
11-20 eind van de week
11-20 deze week nog
11-22 in het weekend
11-30 voor het einde van de maand
11-30 eind deze maand
12-31 eind van het jaar
04-30 voor eind april
12-02 over twee weken
11-28 binnen tien dagen
11-20 uiterlijk de twintigste
12-04 op de 4e
04-01 op 1 april
09-01 de eerste september
03-05 op 5-3
03-05 op 05/03/2027
11-20 vrijdagmiddag
11-21 op de eenentwintigste
12-10 op tien december
11-19 morgen in de loop van de dag
- vorige week vrijdag
- Goedemorgen allemaal
- vorige vrijdag
- elke maandag
- ergens in april
- zo snel mogelijk
- de eerste keer
""",
    "ja": """
11-20 金曜までに送ります。
11-20 金曜日にお送りします
11-19 明日中にお送りします
11-20 明後日
11-18 今日中に対応します
11-24 来週の火曜
11-24 来週火曜日に
12-01 再来週の火曜日
11-20 今週中に
11-20 今週の金曜までに
11-27 来週中に
11-27 来週までに
11-25 来週の半ばに
11-22 週末に見ておきます
11-30 月末までに
11-30 今月末
12-31 来月末までに
12-05 来月五日に
12-10 10日までに
12-10 １０日までに
03-05 三月五日
03-05 3月5日
11-20 二十日に伺います
04-30 四月末までに
12-31 年内に
12-02 2週間後に
11-28 十日以内に
11-21 三日後
11-23 3営業日以内に
12-01 2026年12月1日
03-05 3/5までに
11-19 木曜の正午までに
12-10 12月10日木曜日
11-23 週明けに
12-15 12月中旬
- 先週の金曜
- 毎週月曜に
- なるべく早く
- 本日はありがとうございました
- 四月に
- 二、三日ください
""",
}


def _cases() -> list[tuple[str, str, date | None]]:
    cases = []
    for language, lines in SENTENCES.items():
        for line in lines.strip().splitlines():
            said, _, text = line.partition(" ")
            on = None if said == "-" else date.fromisoformat(f"2026-{said}")
            if on and on < WEDNESDAY:
                on = on.replace(year=2027)
            cases.append((language, text, on))
    return cases


@pytest.mark.parametrize(("language", "text", "on"), _cases())
def test_due_date_of_a_sentence(language: str, text: str, on: date | None) -> None:
    assert due_date(text, WEDNESDAY, language) == on


@pytest.mark.parametrize(
    ("held_on", "text", "on"),
    [
        (date(2026, 11, 17), "on Tuesday", date(2026, 11, 24)),
        (date(2026, 11, 16), "the Tuesday after next", date(2026, 12, 1)),
        (date(2026, 11, 20), "this week", date(2026, 11, 20)),
        (date(2026, 11, 21), "by the end of the week", date(2026, 11, 27)),
        (date(2026, 11, 22), "over the weekend", date(2026, 11, 22)),
        (date(2027, 1, 31), "in a month", date(2027, 2, 28)),
        (date(2026, 12, 31), "on the first", date(2027, 1, 1)),
        (date(2026, 11, 18), "on the 18th", date(2026, 11, 18)),
    ],
)
def test_due_date_depends_on_the_day_of_the_talk(held_on: date, text: str, on: date) -> None:
    assert due_date(text, held_on) == on


def test_language_is_a_tag_and_english_by_default() -> None:
    assert due_date("bis Freitag", WEDNESDAY, "de-AT") == date(2026, 11, 20)
    assert due_date("by Friday", WEDNESDAY) == date(2026, 11, 20)
    assert due_date("do piątku", WEDNESDAY, "pl") is None


@pytest.mark.parametrize("language", SENTENCES)
@pytest.mark.parametrize("words", ["by the end of ", "bis zum ", "1 ", "1.1.", "来週の", "ﷺ", "a"])
def test_long_text_is_read_in_part(words: str, language: str) -> None:
    due_date(words * 100_000, WEDNESDAY, language)


LANGUAGES = st.sampled_from([*SENTENCES, None])
WORDS = sorted({word for lines in SENTENCES.values() for word in lines.split()})


@given(
    st.text(max_size=60) | st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join),
    st.dates(),
    LANGUAGES,
)
def test_due_date_is_never_before_the_talk(text: str, held_on: date, language: str | None) -> None:
    on = due_date(text, held_on, language)
    assert on is None or timedelta(0) <= on - held_on <= timedelta(days=731)
    assert on == due_date(text, held_on, language)
