"""French, Spanish, Portuguese and Italian words of dates, without accents.

"Prochain", "próximo", "prossimo" and "que vem" of a day of the week are the nearest such day; of a
week they are the next one.
"""

from typing import Final

FRENCH: Final = r"""
days       lundi mardi mercredi jeudi vendredi samedi dimanche
months     janvier fevrier mars avril mai juin juillet aout septembre octobre novembre decembre
suffix     er|e|
numbers    une?|premier deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze
           quinze seize dix_sept dix_huit dix_neuf vingt vingt(?:_et)?_* trente trente_et_un
units      jours? semaines? mois trimestres? an(?:nee)?s? jours?_ouvr(?:es|ables) heures? minutes?
           week_?end
aheads     cet?(?:te)? prochaine?|qui_vient
parts      fin|courant milieu|mi debut
by         (?:avant|d'ici|au plus tard|jusqu'(?:a|au|en)?|pour|sous)(?: a| au| le| la| ce| en)?
latest     (?:au plus tard|dernier delai|maximum|max)
<time>     (?:,? (?:dans la )?(?:matin|matinee|journee|apres-midi|aprem|soir|soiree|midi|(?:a |
           avant )midi|
           (?:en |avant la )?fin de (?:la )?journee))?
<more>     et|ou|au?|avec|pour|en|dans|chez|vers|par|si|quand|je|tu|il|on|nous|vous|matin|soir|
           apres-midi|prochain|max(?:imum)?|dernier|comme|sans|apres|avant
<end>      (?=$|[ ]?[^\w ]|[ ]<more>(?!\w))
<past>     chaque|tous les|depuis
<gone>     (?:derni|pass)e(?:re|e|r)?
<the>      (?:la |le |l'|en |dans |de |dans le ){1,2}
<of>       (?: de la | du mois de | du mois d'| du | de l'| de | d'| |-)
<or>       ou|a
<in>       (?:dans|sous|d'ici(?: a)?)(?: les(?: prochaine?s)?| environ)?
<maybe>    (?: le| plutot| probablement| disons| peut-etre){0,2}
<coming>   (?:ce |le )?
<came>     (?: prochain| qui vient)?
<on>       (?:le|au|du)
<slash>    /
nothing    (?:pour|reunion d'|temps|appel d'|echange d') ?aujourd'hui
+0         aujourd'hui(?: meme)?|cet(?:te)? (?:apres-midi|aprem)|ce (?:soir|midi)|
           (?:en |la )?fin de (?:la )?journee|dans la (?:journee|soiree)|tout a l'heure|
           (?:juste|des|directement) apres (?:cet appel|l'appel|notre appel|la reunion|ce call)
+1         demain<time>
+2         apres[ -]demain<time>
+7         (?:dans|sous|d'ici|d') ?(?:huit|8) jours|sous huitaine|(?:d')?aujourd'hui en huit
+8         demain en huit
+14        (?:dans|sous|d'ici) (?:quinze|15) jours|(?:sous|dans une) quinzaine
day+7      <day> en huit
day+14     <day> en quinze
period     (?:ce|le) (?P<unit>week[ -]?end)
period     dans (?:la|le) (?P<unit>semaine|mois)
"""

SPANISH: Final = r"""
days       lunes martes miercoles jueves viernes sabado domingo
months     enero febrero marzo abril mayo junio julio agosto sep?tiembre octubre noviembre diciembre
suffix     o|
numbers    un[oa]?|primero dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce
           quince dieciseis diecisiete dieciocho diecinueve veinte veinti* treinta treinta_y_uno
units      dias? semanas? mes(?:es)? trimestres? anos? dias?_(?:habil|laboral)(?:es)? horas?
           minutos? fin(?:es)?_de_semana
aheads     est[ae](?:_mism[ao])? proxim[ao]|que_(?:viene|entra)|entrante|siguiente
parts      fin|final(?:es)?|fines|transcurso mediados|mitad principios?|comienzos?|inicios?
<by>       (?:antes|a mas tardar|para|hasta|no mas tarde|como muy tarde|dentro)
by         <by>(?: del?| el| la)?(?: mediodia del?)?(?: dia)?
latest     (?:como (?:muy tarde|maximo|mucho|tarde)|a mas tardar|maximo|sin falta)
<time>     (?:,? (?:(?:por|en|a|de) la (?:manana|tarde|noche)|temprano|a primera hora|mismo|
           al? mediodia|al final del dia))?
<more>     y|o|a|al|en|con|por|para|si|como|te|os|les?|l[oa]|me|nos|se|yo|sin|antes|maximo
<end>      (?=$|[ ]?[^\w ]|[ ]<more>(?!\w))
<past>     cada|todos los|los|el pasado|el ultimo
<gone>     pasad[oa]|anterior
<the>      (?:el |la |a |al |en el |para el |para la )
<of>       (?: del mes de | de la | del? )
<or>       o
<in>       (?:en|dentro de|de (?:aqui|aca) a|en menos de)(?: un[oa]s| l[oa]s proxim[oa]s)?
<maybe>    (?: el| quizas| probablement[ae]| digamos){0,2}
<coming>   (?:(?:el |este )?proximo |el |este )?
<came>     (?: que viene| que entra| proximo| entrante)?
<on>       (?:el dia|del dia|al dia|dia|el|del|al)
<slash>    /
nothing    (?:por|de|en|a) las? mananas?|esta manana|hoy (?:en )?dia
nothing    (?:reunion|llamada|tiempo|todo por) (?:de )?hoy|por hoy
+0         hoy<time>|hoy mismo<time>|hoy a ultima hora|esta (?:misma )?(?:tarde|noche)|ahora mismo|
           (?:el )?(?:fin|final)(?: del?)? (?:dia|la jornada|jornada)|en cuanto (?:colguemos|
           terminemos|acabemos)|(?:justo|nada mas) (?:despues de|terminar) (?:esta|la) llamada
+1         manana<time>
+2         pasado manana<time>
+7         (?:de )?hoy en (?:ocho|8)(?: dias)?
+8         (?:de )?manana en (?:ocho|8)(?: dias)?
day+7      <day> en (?:ocho|8)(?: dias)?
period     (?:este |el |proximo )(?P<unit>fin de semana)
nth        dia <n>
"""

PORTUGUESE: Final = r"""
days       segunda(?:_feira)? terca(?:_feira)? quarta(?:_feira)? quinta(?:_feira)?
           sexta(?:_feira)? sabado domingo
months     janeiro fevereiro marco abril maio junho julho agosto setembro outubro novembro dezembro
suffix     o|
numbers    uma?|primeiro dois|duas tres quatro cinco seis sete oito nove dez onze doze treze
           (?:qua|ca)torze quinze dezess?eis dezess?ete dezoito dez[ea]nove vinte vinte_e_* trinta
           trinta_e_um
units      dias? semanas? mes(?:es)? trimestres? anos? dias?_uteis horas? minutos?
           (?:fim|final|fins)_de_semana
aheads     (?:n?est|n?ess|dest|dess)[ae](?:_mesm[ao])? proxim[ao]|que_vem|seguinte
parts      fim|fina(?:l|is)|decorrer|longo meio|meados|metade comeco|inicio|principio
<by>       (?:ate|antes|o mais tardar|para|pra|pro|dentro)
by         <by>(?: d?[oa]s?| de| no| na)?(?: meio-dia d[aeo])?(?: dia)?
latest     (?:no maximo|o mais tardar|sem falta)
<time>     (?:,? (?:(?:de|a|pela|na|da) (?:manha|tarde|noite)|cedo|agora|mesmo|ainda|
           (?:no |ate o )?(?:fim|final) do (?:dia|expediente)))?
<more>     e|ou|as?|ao|em|no|na|com|por|para|pra|se|te|eu|voces?|nos|sem|antes|mais
<end>      (?=$|[ ]?[^\w ]|[ ]<more>(?!\w))
<past>     cada|tod[ao]s?(?: as| os)?|as|aos|ultim[ao]|desde
<gone>     (?:passad|retrasad)[ao]
<the>      (?:ainda )?(?:[ao] |n[ao] |ao )?
<of>       (?: do mes de | d[aeo] | )
<or>       ou
<in>       (?:em|dentro de|daqui a|daqui|no prazo de|n?[oa]s proxim[oa]s)(?: uns| umas| ate)?
<maybe>    (?: na| no| talvez| provavelmente| acho que){0,2}
<coming>   (?:(?:n?a |n?o )?(?:proxim[ao]|n?est[ae]|n?ess[ae]) )?
<came>     (?: que vem| proxim[ao])?
<on>       (?:o dia|dia|ate o|ate|antes do|no)
<slash>    /
nothing    (?:a|uma|da|na|pela|essa|nessa) (?:segunda|terca|quarta|quinta|sexta) (?:vez|parte|opcao|
           etapa|fase|via|pergunta|coisa|versao|linha|tela|questao|pessoa|proposta|pagina)
nothing    hoje em dia|por hoje|(?:reuniao|conversa|tempo|ligacao) de hoje
+0         (?:ainda )?hoje<time>|(?:n?est|n?ess)a (?:tarde|noite)|(?:o |no )?(?:fim|final) do
           (?:dia|expediente)|agora mesmo|agora a tarde|assim que (?:desligarmos|terminarmos)|
           (?:logo|assim que) (?:apos|depois d)[ae] (?:reuniao|ligacao|call|chamada)
+1         amanha<time>
+2         depois de amanha<time>
+7         (?:de )?hoje a oito(?: dias)?
+8         (?:de )?amanha a oito(?: dias)?
day+7      <day> a oito
period     (?:n?est[ae] |n?ess[ae] |n?o |proximo )(?P<unit>(?:fim|final) de semana)
nth        dia <n>
"""

ITALIAN: Final = r"""
days       lunedi martedi mercoledi giovedi venerdi sabato domenica
months     gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre
           dicembre
suffix     o|°|
numbers    un[oa']?|primo due tre quattro cinque sei sette otto nove dieci undici dodici tredici
           quattordici quindici sedici diciassette diciotto diciannove venti venti?* trenta trentuno
units      giorn[oi] settiman[ae] mes[ei] trimestr[ei] ann[oi] giorn[oi]_lavorativ[oi] or[ae]
           minut[oi] fine_settimana|week_?end
aheads     quest[oae'] prossim[ao]|che_viene|entrante|successiv[ao]
parts      fine|corso meta inizio|principio
<by>       (?:entro(?: e non oltre)?|prima|al piu tardi|non oltre|fino|per)
by         <by>(?: d?il| d?la| del(?:la)?| di| a| al| le| i)?(?: mezzogiorno di)?(?: giorno)?
latest     (?:al piu tardi|al massimo|senza falta)
<time>     (?:,? (?:mattina|mattino|pomeriggio|sera|notte|in mattinata|in serata|a mezzogiorno|
           nel pomeriggio|di mattina|stesso|in giornata|(?:a |in |
           entro )?fine(?: della)? giornata))?
<more>     [eoa]|alle?|in|con|per|se|[tvmcs]i|l[eoa]|io|noi|senza|prima|va|mattina|sera
<end>      (?=$|[ ]?[^\w ]|[ ]<more>(?!\w))
<past>     ogni|tutt[ie] (?:i|le)|scors[oa]|l'ultim[oa]|passat[oa]
<gone>     (?:scors|passat)[oa]
<the>      (?:la |il |a |al |all'|nel |in )
<of>       (?: del mese di | del | della | dell'| di | d'| )
<or>       o
<in>       (?:tra|fra|entro|in|nel giro di|nei prossimi|nelle prossime|nell'arco di)(?: i prossimi|
            le prossime| circa)?
<maybe>    (?: magari| forse| di| diciamo){0,2}
<coming>   (?:(?:il |la )?(?:prossim[oa]|quest[oa]) )?
<came>     (?: prossim[oa]| che viene| p\.v\.)?
<on>       (?:il giorno|il|l'|al|del|dell'|dal)
<slash>    /
nothing    giorno d'oggi|(?:riunione|chiamata|tempo|incontro) (?:di )?oggi
+0         oggi<time>|oggi in giornata|stasera|stanotte|questo pomeriggio|questa sera|
           (?:la )?(?:fine|in)(?: della)? giornata|appena (?:chiudiamo|finiamo|riattacchiamo)|
           subito dopo (?:la|questa) (?:call|chiamata|riunione|telefonata)
+1         domani<time>|domattina
+2         dopo ?domani<time>
+7         oggi a otto
+8         domani a otto
day+7      <day> a otto
period     (?:il|nel|durante il|questo|prossimo|al) (?P<unit>fine settimana|week[ -]?end)
period     (?:in|entro la|nella) (?P<unit>settimana)
period     quest'(?P<unit>anno)
"""
