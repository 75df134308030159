"""What a declared rule is: a name, what it asks for, and the answers that it is about."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Annotated, Any

import re2  # type: ignore[import-untyped]
from pydantic import AfterValidator, Field

from evaluation.cases import Case
from evaluation.record import Record, readable
from evaluation.results import Found

MOST_TEXT = 240
"""Characters of an answer that a finding quotes."""
MOST_FOUND = 5
"""Findings of one rule in one answer; more would not say more."""


def compiled(pattern: str, ignore_case: bool = True) -> Any:
    """Compile a person's pattern with RE2: its time grows with the text alone, whatever it says.

    Raises:
        ValueError: it is no RE2 pattern; look-around and back-references are none.
    """
    try:
        return _compiled(pattern, ignore_case)
    except (re2.error, UnicodeEncodeError) as error:
        said = error.args[0] if error.args else error
        reason = said.decode(errors="replace") if isinstance(said, bytes) else said
        raise ValueError(f"not a pattern of RE2: {reason}") from error


@lru_cache(maxsize=512)
def _compiled(pattern: str, ignore_case: bool) -> Any:
    options = re2.Options()
    options.case_sensitive = not ignore_case
    options.log_errors = False
    return re2.compile(pattern, options)


def _is_pattern(pattern: str) -> str:
    compiled(pattern)
    return pattern


def _says_something(pattern: str) -> str:
    if compiled(pattern).search("") is not None:
        raise ValueError("matches an empty text, and so every text")
    return pattern


def _is_name(name: str) -> str:
    if not re2.fullmatch("[a-z][a-z0-9_]{0,39}", name):
        raise ValueError("a name is lower-case letters, digits and _, at most 40")
    return name


Pattern = Annotated[str, AfterValidator(_is_pattern), AfterValidator(_says_something)]
Name = Annotated[str, AfterValidator(_is_name)]


class Rule(Record):
    """What an answer has to keep to. Its kinds are subclasses, one key of the YAML each."""

    name: Name = Field(examples=["no_prices"])
    says: str = ""
    """What it asks for, as a table shows it."""
    when: Pattern | None = Field(default=None, examples=['"visa|passport"'])
    """A pattern: the rule is about answers to questions that it matches, and to no others."""
    unless: Pattern | None = Field(default=None, examples=['"translat|in Spanish"'])
    """A pattern: the rule is not about answers to questions that it matches."""

    @classmethod
    def kind_of(cls, value: Any) -> type["Rule"]:
        """Give the kind that an entry of a suite is of, by its keys; Rule where it is none."""
        own = {
            field.alias or name: kind
            for kind in cls.__subclasses__()
            for name, field in list(kind.model_fields.items())[len(Rule.model_fields) :][:1]
        }
        return next((own[key] for key in value or () if key in own), cls)

    @property
    def title(self) -> str:
        """What a table calls it."""
        return self.says or self.name.replace("_", " ")

    def applies(self, case: Case) -> bool:
        """Tell whether the rule is about a case. Safety prompts are judged by what they expect."""
        if case.kind == "safety":
            return False
        question = readable(case.question)
        asked = self.when is None or compiled(self.when).search(question) is not None
        return asked and (self.unless is None or compiled(self.unless).search(question) is None)

    def check(self, answer: str, case: Case) -> tuple[Found, ...]:
        """Give what breaks the rule, quoted; nothing where it is kept or does not apply."""
        if not self.applies(case):
            return ()
        return tuple(
            Found(rule=self.name, text=clipped(text))
            for text in first(self.breaches(readable(answer), case), MOST_FOUND)
        )

    def breaches(self, answer: str, case: Case) -> Iterator[str]:
        """Yield what in an answer breaks the rule, as the answer has it."""
        raise NotImplementedError


def clipped(text: str) -> str:
    """Shorten a quotation."""
    text = text.strip()
    return text if len(text) <= MOST_TEXT else f"{text[: MOST_TEXT - 1].rstrip()}\u2026"


def first(texts: Iterable[str], count: int) -> list[str]:
    """Give the first different ones."""
    found: dict[str, None] = {}
    for text in texts:
        found.setdefault(text)
        if len(found) == count:
            break
    return list(found)
