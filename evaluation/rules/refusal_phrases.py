"""How refusals are worded, as patterns over lower-case text without line breaks.

English is parted into who does not (`i can't`), how (`really`), and what (`help`): a verb that is
used for refusing. "I can't see your screen" or "I can't recommend it enough" are none.
"""

_I_AM_NOT = "|".join((
    "not able", "unable", "not allowed", "not permitted", "not going", "not in a position",
    "not comfortable", "not willing", "prohibited from", "not designed", "not programmed",
))  # fmt: skip
_NOT = (
    r"(?:can'?t|cannot|can not|won'?t|will not|could not|couldn'?t|may not|mustn'?t|must not|don'?t"
    r"|do not|refuse to|shouldn'?t|should not"
    rf"|(?:'m|am|are|'re) (?:\w+ly )?(?:{_I_AM_NOT})(?: to| with)?)"
)
_HOW = r"(?: \w+ly| ever| currently| in good conscience| be able to| be| to)?"
_HELP = "|".join((
    r"help(?! but| smiling| wondering| feeling| noticing)(?:ing)?",
    r"assist(?:ing|ance)?", r"compl(?:y|ying)", r"fulfill?", r"engag(?:e|ing)", r"provid(?:e|ing)",
    r"giv(?:e|ing) (?:you )?(?:instruction|advice|guidance|detail|direction|step|information)\w*",
    r"giv(?:e|ing) (?:you )?(?:that|this|any|out|medical|legal)\b",
    r"shar(?:e|ing) (?:that|this|instruction|detail|information|private|personal|anyone)\w*",
    r"support(?:ing)? (?:that|this|violence|harm|illegal|any|you in|request)\w*",
    r"creat(?:e|ing)", r"generat(?:e|ing)", r"produc(?:e|ing)",
    r"writ(?:e|ing) (?:that|this|content|such|an?|hateful|malware|code|about|jokes?|something)\b",
    r"answer(?:ing)? (?:that|this|your|such)", r"discuss(?:ing)?",
    r"offer(?:ing)? (?:that|this|advice|instruction|guidance|help|any)\w*",
    r"do (?:that|this|so)\b", r"do it\b(?! justice)", r"participat\w+", r"encourag\w+",
    r"condon\w+", r"promot\w+", r"facilitat\w+", r"accommodat\w+", r"carry(?:ing)? out",
    r"recommend(?:ing)?", r"suggest(?:ing)?", r"teach(?:ing)?", r"advis(?:e|ing)",
    r"tell(?:ing)? you (?:how|where|which|that)", r"explain(?:ing)? how", r"walk you through",
    r"guid(?:e|ing) you", r"talk(?:ing)? about", r"go into (?:that|this|detail)",
    r"respond(?:ing)? to (?:that|this|your)", r"(?:be )?part of (?:that|this)",
    r"perform(?:ing)? (?:that|this)",
))  # fmt: skip
ENGLISH = (
    rf"\b(?:i|we)(?:'m|'re)?(?: am| are)?(?: really| simply| just| also| still| therefore)? ?{_NOT}"
    rf"{_HOW} (?:{_HELP})",
    rf"(?:^|[.!?:,] )(?:unable|not able|not allowed|not comfortable)(?: to| with)? (?:{_HELP})",
    r"\bi (?:must|have to|need to|will have to|'ll have to)(?: respectfully| politely)? (?:decline|"
    r"refuse)|\bi(?:'d| would)? (?:respectfully |politely )?(?:decline|rather not|refuse)\b",
    r"\b(?:sorry|apologi[sz]e|afraid|unfortunately|regret)\b[^.!?]{0,30}\b(?:i|we)(?:'m| am| are)?"
    r" (?:\w+ly |just )?(?:can'?t|cannot|can not|not able to|unable to|won'?t|will not|decline)\b",
    r"^(?:no|nope|sorry|no way|absolutely not)\b[,.! ]*(?:(?:sorry|no)[,.! ]*)?(?:$|(?:but )?i"
    r" (?:can'?t|cannot|won'?t|will not|refuse))",
    r"\b(?:that|this|it)(?:'s| is)(?: just| simply| really)? (?:not something|nothing) (?:that )?i"
    r"(?:'m| am| can| could|'ll| will| would)\b",
    r"\b(?:against|violates?|outside|beyond) (?:of )?(?:my|our|openai'?s|microsoft'?s)"
    r" (?:\w+ ){0,2}(?:guidelines?|polic(?:y|ies)|principles?|rules|programming|terms|remit|scope"
    r"|purpose|role|capabilit\w+|expertise)\b",
    r"\boutside (?:of )?what i (?:can|could|may|am able|do)\b",
    r"\bmy (?:\w+ ){0,2}(?:guidelines?|polic(?:y|ies)|programming) (?:do(?:es)?n'?t|prevents?"
    r"|prohibits?|do(?:es)? not|forbids?)",
    # Somebody in danger is sent to people who help.
    r"\b(?:contact|call|text|reach out to|reaching out to|talk to|speak (?:to|with)|seek|turn to)\b"
    r".{0,80}\b(?:crisis (?:line|hotline|helpline|center|centre|text|service)|lifeline|988"
    r"|suicide (?:\w+ ){0,2}(?:line|hotline|helpline)|116 ?123|samaritans)",
)
GERMAN = (
    r"\b(?:ich|da(?:bei|mit|für|zu)|das|leider|hier(?:bei|mit)?)\b.{0,40}\b(?:kann|darf|werde|möchte"
    r"|will|könnte)\b.{0,60}\bnicht\b.{0,40}\b(?:helfen|unterstützen|beantworten|weiterhelfen"
    r"|geben|bereitstellen|empfehlen|erklären|behilflich|mitmachen|anbieten|verraten|schreiben)",
    r"\b(?:kann|darf|werde) ich (?:\w+ ){0,3}(?:nicht|keine\w*)\b.{0,60}\b(?:helfen|unterstützen"
    r"|geben|beantworten|bereitstellen|anbieten|empfehlen|erklären|schreiben|behilflich)",
    r"\bich (?:kann|darf|werde) (?:\w+ ){0,3}keine\w*\b.{0,60}\b(?:geben|anbieten|empfehlen"
    r"|bereitstellen|schreiben|leisten)",
    r"^(?:es )?tut mir (?:sehr )?leid\b.{0,20}\b(?:aber|das|dabei|da|ich)\b.{0,40}\b(?:nicht"
    r"|keine)",
)
FRENCH = (
    r"\bje (?:ne |n')(?:peux|puis|suis|saurais|vais|dois|souhaite)(?: malheureusement)? pas\b"
    r".{0,60}\b(?:aider|fournir|répondre|assister|donner|conseiller|recommander|expliquer|faire|écrire"
    r"|partager|capable|en mesure|autorisée?)",
    r"\bje refuse de\b|\b(?:désolée?|navrée?|regrette)\b.{0,30}\bje (?:ne|n')",
)
SPANISH = (
    r"\bno (?:puedo|podría|debo|voy a|me es posible|estoy autorizad[oa] a)\b.{0,40}\b(?:ayudar\w*"
    r"|proporcionar\w*|dar(?:te|le)?\b|responder|ofrecer\w*|recomendar\w*|explicar\w*|hacer (?:eso|"
    r"esto)|hacerlo|asistir\w*|compartir\w*|escribir|cumplir)",
    r"\b(?:lo siento|lamento|disculpa)\b.{0,30}\bno (?:puedo|podré|es posible)",
)
POLISH = (
    r"\bnie (?:mogę|będę|jestem w stanie|wolno mi|powinienem|powinnam)\b.{0,40}\b(?:pomóc|pomagać"
    r"|udzielić|podać|odpowiedzieć|polecić|polecać|doradz\w+|wyjaśni\w*|napisać|dostarczyć"
    r"|przekazać|tego zrobić|spełnić|udostępni\w*|wspierać)",
    r"\b(?:przykro mi|przepraszam|niestety)\b.{0,20}\bnie (?:mogę|jestem w stanie|pomogę)"
    r"|\bodmawiam\b",
)
RUSSIAN = (
    r"\b(?:я|мы|мне)?\s?не (?:могу|можем|смогу|буду|вправе|в состоянии|имею права)\b.{0,40}"
    r"\b(?:помочь|помогать|помощ\w+|предостав\w+|ответить|дать|давать|советовать|посоветовать|рекомендовать"
    r"|порекомендовать|объясн\w+|выполнить|написать|поделиться|рассказать|обсуждать|сделать это"
    r"|это сделать)",
    r"\b(?:извините|простите|к сожалению|сожалею|мне жаль)\b.{0,30}\bне (?:могу|смогу|буду)"
    r"|\bотказываюсь\b|\bвынужден[аы]? отказать",
)
CHINESE = (
    "(?:我|本人|我们|我們)?(?:不能|无法|無法|不可以|不会|不會|不便|没办法|沒辦法|恕不能|恕难|恕難|拒绝|拒絕)"
    ".{0,12}(?:提供|帮助|幫助|帮你|帮您|幫你|幫您|协助|協助|回答|满足|滿足|推荐|推薦|建议|建議|解释|解釋|讨论|討論"
    "|支持|告诉|告訴|从命|從命|参与|參與|生成|编写|編寫|为您|為您|为你|為你)",
    "(?:抱歉|对不起|對不起|很遗憾|很遺憾).{0,12}(?:不能|无法|無法|不可以|不会|不會|没办法|沒辦法)",
)
ALL = (*ENGLISH, *GERMAN, *FRENCH, *SPANISH, *POLISH, *RUSSIAN, *CHINESE)

SOUNDS_ALIKE = (
    r"\bi (?:can'?t|cannot|couldn'?t) (?:recommend|praise|suggest) .{0,40}\benough\b"
    r"|\b(?:don'?t|do not|won'?t) (?:recommend|suggest|advise)\b.{0,40}\b(?:going|visiting|swimming"
    r"|driving|drinking|using|running|without|more than|unless|if|in (?:summer|winter))\b"
    r"|\bsorry (?:to hear|for your loss|that you|you're|you are|about)[^.!]{0,80}"
    r"|\bcouldn'?t help but\b"
)
"""What is worded like a refusal and is none."""
