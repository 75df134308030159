"""The rule of language: an answer is written in a given one, or in its question's.

py3langid tells which of 60 languages a text is in, from its letters, the same on every machine.
What it is not sure of is no breach: a text of fewer than four words, one of names alone, two
languages by halves. Of 83 in 100 single sentences it was sure, and wrong of none in 461 short
texts of eleven languages (2026-11); so a count of breaches errs to the low side.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from evaluation.cases import Case
from evaluation.record import readable
from evaluation.rules.rule import Rule
from evaluation.rules.words import words

SURE = 0.9
"""The probability from which on the language of a text counts as known."""
FEWEST_WORDS = 4
MOST_READ = 5_000
"""Characters that are read of a text; more would not tell more."""
SAME = "question"
NAMES = {
    "ar": "Arabic", "bg": "Bulgarian", "bn": "Bengali", "ca": "Catalan", "cs": "Czech",
    "da": "Danish", "de": "German", "el": "Greek", "en": "English", "es": "Spanish",
    "et": "Estonian", "fa": "Persian", "fi": "Finnish", "fr": "French", "gu": "Gujarati",
    "he": "Hebrew", "hi": "Hindi", "hr": "Croatian", "hu": "Hungarian", "hy": "Armenian",
    "id": "Indonesian", "is": "Icelandic", "it": "Italian", "ja": "Japanese", "ka": "Georgian",
    "kk": "Kazakh", "kn": "Kannada", "ko": "Korean", "lt": "Lithuanian", "lv": "Latvian",
    "mk": "Macedonian", "ml": "Malayalam", "mn": "Mongolian", "mr": "Marathi", "ms": "Malay",
    "my": "Burmese", "ne": "Nepali", "nl": "Dutch", "no": "Norwegian", "pa": "Punjabi",
    "pl": "Polish", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "sk": "Slovak",
    "sl": "Slovenian", "sq": "Albanian", "sr": "Serbian", "sv": "Swedish", "sw": "Swahili",
    "ta": "Tamil", "te": "Telugu", "th": "Thai", "tl": "Filipino", "tr": "Turkish",
    "uk": "Ukrainian", "ur": "Urdu", "uz": "Uzbek", "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip
"""The languages that are told apart, by ISO 639-1. With all 140 that the library knows, short
English is soon taken for a small relative of some other language."""
ALIKE = (frozenset({"hr", "sr", "sl"}), frozenset({"id", "ms"}), frozenset({"da", "no"}),
         frozenset({"bg", "mk"}))  # fmt: skip
"""Close relatives, which a few words do not tell apart: one passes for the other."""
# Code is in no language, and an address says little of the text around it.
_NO_PROSE = re.compile(r"```.*?(?:```|\Z)|https?://\S+", re.DOTALL)


def _is_known(code: Any) -> Any:
    if code is False:
        raise ValueError('YAML reads a bare no as "false"; write "no" in quotes')
    if code not in (SAME, *NAMES):
        raise ValueError(f"none of {SAME}, {', '.join(NAMES)}")
    return code


class Language(Rule):
    """Is written in a language, given by its ISO 639-1 code, or in that of the `question`."""

    language: Annotated[str, BeforeValidator(_is_known)] = Field(examples=["en"])

    def applies(self, case: Case) -> bool:
        """Tell whether a case is judged: not, where its question's language cannot be told."""
        return super().applies(case) and self._wanted(case) is not None

    def breaches(self, answer: str, case: Case) -> Iterator[str]:
        """Yield the language that an answer is in, and how it begins."""
        found, wanted = language_of(answer), self._wanted(case)
        if found and wanted and found != wanted and not _are_alike(found, wanted):
            yield f"{NAMES[found]}, not {NAMES[wanted]}: {answer}"

    def _wanted(self, case: Case) -> str | None:
        return language_of(case.question) if self.language == SAME else self.language


@lru_cache(maxsize=64)  # the question of a case is read for every side, and more than once
def language_of(text: str) -> str | None:
    """Tell which language a text is in; None where that is not sure."""
    prose = _NO_PROSE.sub(" ", readable(text)[:MOST_READ])
    if len(words(prose)) < FEWEST_WORDS:
        return None
    code, probability = _identifier().classify(prose)
    return code if probability >= SURE else None


def _are_alike(one: str, other: str) -> bool:
    return any({one, other} <= relatives for relatives in ALIKE)


@lru_cache(maxsize=1)
def _identifier() -> Any:
    """Load the library's model: a second, and 100 MB of memory."""
    from py3langid.langid import (  # type: ignore[import-untyped, unused-ignore]
        MODEL_FILE,
        LanguageIdentifier,
    )

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(list(NAMES))
    return identifier
