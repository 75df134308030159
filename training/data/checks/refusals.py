"""Answers that refuse, or speak of being an AI model: what a tuned model soon does everywhere."""

import re
from collections.abc import Iterator

from training.data.findings import Report

SHARE = 0.05
"""Part of the answers that may refuse before the file as a whole draws a warning."""

_OPENINGS = (
    # English
    r"(?:i'?m |i am )?(?:very |so |really )?sorry,? (?:but )?(?:i|as an)"
    r" (?:(?:can'?t|cannot|can not|won'?t|am (?:not able|unable)|'?m (?:not able|unable)"
    r"|ai\b|don'?t have)|(?:must|have to) decline)",
    r"(?:i'?m|i am) sorry,? (?:but )?i'm (?:not able|unable)",
    r"i (?:apologi[sz]e,? but i (?:can'?t|cannot)"
    r"|(?:can'?t|cannot|can not) (?:assist|help|comply|fulfil|provide|answer|engage|support)"
    r"|(?:must|have to) (?:respectfully )?decline|won'?t be able to help)",
    r"i(?:'m| am) (?:unable|not able) to (?:assist|help|comply|fulfil|provide|answer)",
    r"as an? (?:ai|artificial intelligence|large language model|language model)\b",
    # German, French, Spanish, Portuguese, Italian, Dutch, Polish
    r"(?:es )?tut mir leid,? (?:aber )?(?:ich|das|dabei|dazu)(?: \w+)? (?:kann|darf|nicht)",
    r"(?:leider kann ich (?:dir |ihnen |euch )?(?:dabei|damit|dazu|das) nicht"
    r"|als (?:ki|künstliche intelligenz|sprachmodell)\b)",
    r"(?:je suis )?(?:désolée?|navrée?),? (?:mais )?je ne (?:peux|suis)",
    r"en tant (?:qu'ia|que modèle|qu'intelligence artificielle)",
    r"lo siento,? (?:pero )?no puedo|como (?:una? )?(?:ia|modelo de lenguaje|inteligencia artif)",
    r"(?:sinto muito|desculpe|lamento),? (?:mas )?não posso|como (?:um )?modelo de linguagem",
    r"mi dispiace,? (?:ma )?non posso|come (?:ia|modello linguistico|intelligenza artificiale)\b",
    r"het spijt me,? (?:maar )?ik kan|als (?:ai|taalmodel)\b",
    r"przykro mi,? (?:ale )?nie mogę|jako (?:ai|model językowy)\b",
    # Chinese, Japanese, Korean
    "(?:很|非常)?抱歉,?(?:但)?我(?:不能|无法)|对不起,?我(?:不能|无法)|作为(?:一个|一款)?(?:ai|人工智能|语言模型)",
    "申し訳(?:ありません|ございません)が|aiとして|言語モデルとして",
    "죄송하지만|죄송합니다만|ai(?:로서| 언어 모델)",
)
_HEAD = 200
"""Characters at the start of an answer in which a refusal stands."""


class Refusals:
    """Looks at the beginning of every answer."""

    trigger = (
        r"(?i:sorry|as an? (?:ai|artificial|large language|language) ?|i (?:can'?t|cannot|can not)"
        r"|i can’t|apologi[sz]e|decline|(?:unable|not able|won'?t be able|won’t be able) to"
        r"|tut mir leid|leider kann|als (?:ki|künst|sprach|ai|taal)|désol|navré|en tant qu"
        r"|lo siento|como (?:una? |um )?(?:ia|modelo|intelig)|sinto muito|desculpe|lamento"
        r"|mi dispiace|come (?:ia|modello|intell)|spijt me|przykro mi|jako (?:ai|model)"
        r"|抱歉|对不起|作为|申し訳|aiとして|言語モデル|죄송|ai(?:로서| 언어))"
    )

    def __init__(self, report: Report) -> None:
        self._report = report
        self._count = 0
        self._opening = re.compile("|".join(f"(?:{each})" for each in _OPENINGS))

    def find(self, place: str, role: str, text: str) -> Iterator[tuple[str, str]]:
        """Yield an answer that refuses; a rejected answer may."""
        if role != "assistant" or place.startswith("rejected"):
            return
        head = text[:_HEAD].lstrip(" \n\t\"'*-").lower().replace("’", "'").replace("，", ",")
        if self._opening.match(head):
            self._count += 1
            yield "refusals.answer", "refuses, or speaks of being an AI model"

    def end(self) -> Iterator[tuple[str, str]]:
        """Yield a warning where too many answers refuse."""
        answers = self._report.roles["assistant"]
        if answers and self._count / answers > SHARE:
            share = f"{self._count} of {answers} answers ({self._count / answers:.0%}) refuse"
            yield "refusals.share", f"{share}; above {SHARE:.0%} a tuned model does so elsewhere"
