"""The kinds of rules, by the key of the YAML that makes an entry one of them."""

from typing import Annotated, Any

from pydantic import BeforeValidator, SerializeAsAny

from core.documents import nearest
from evaluation.rules.built_in import BuiltIn
from evaluation.rules.form import EndsWithQuestion, Json, Length, NotEmpty
from evaluation.rules.language import Language
from evaluation.rules.patterns import Forbidden, Required
from evaluation.rules.repetition import NoRepetition
from evaluation.rules.rule import Rule

KINDS: dict[str, type[Rule]] = {
    "forbidden": Forbidden,
    "required": Required,
    "language": Language,
    "length": Length,
    "ends_with_question": EndsWithQuestion,
    "not_empty": NotEmpty,
    "json": Json,
    "no_repetition": NoRepetition,
    "built_in": BuiltIn,
}


def rule_of(value: Any) -> Rule:
    """Make a rule of an entry of a suite.

    Raises:
        ValueError: it has no kind or several, or what the kind finds wrong, each by its key.
    """
    if isinstance(value, Rule):
        return value
    if not isinstance(value, dict):
        raise ValueError(f"a rule has a name and one of: {', '.join(KINDS)}")
    named = [key for key in value if key in KINDS]
    if len(named) != 1:
        others = [str(key) for key in value if key not in (*Rule.model_fields, *KINDS)]
        meant = next(filter(None, (nearest(key, KINDS) for key in others)), "")
        found = " and ".join(named) or "none"
        kinds = ", ".join(KINDS) + ("." if meant else "")
        raise ValueError(f"one kind of rule each, not {found}: {kinds}{meant}")
    return KINDS[named[0]].model_validate(value)


AnyRule = Annotated[SerializeAsAny[Rule], BeforeValidator(rule_of)]
