"""A text's words and sentences, counted alike for languages with and without spaces."""

import re

_WORD = re.compile(
    # A character of Chinese, Japanese, Thai, Lao, Khmer or Burmese script is a word of its own.
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"
    # Apostrophes and hyphens inside a word part nothing: "don't", "well-known".
    r"|[^\W_\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+"
    r"(?:['\u2019-][^\W_\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]+)*"
)
_SENTENCE_END = re.compile(
    # "3.5" and "tunestack.dev" end nothing; "e.g. this" does, which nobody can tell without a
    # dictionary. The full stops of East Asia need no space after them.
    r"(?<=[.!?\u2026\u0964])[\"'\u201d\u2019)\]*_]{0,3}\s|(?<=[\u3002\uff01\uff1f])|\n"
)


def words(text: str) -> list[str]:
    """Give a text's words."""
    return _WORD.findall(text)


def sentences(text: str) -> list[str]:
    """Give a text's sentences; a line break ends one, and what has no word is none."""
    parts = (part.strip() for part in _SENTENCE_END.split(text))
    return [part for part in parts if _WORD.search(part)]
