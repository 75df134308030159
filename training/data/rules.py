"""What can be wrong with training data: one row a rule, its weight and what to do about it.

The part of a rule's name before the dot is its group; `data check --rules` and `--skip` take
groups and whole names. Whether a file has a finding is decided where its subject is: the form of
a record in `records.py`, what its text holds in `checks/`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from core.errors import SettingsError

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Rule:
    """How bad a finding is, and how it is mended."""

    severity: Severity
    fix: str


_ONE_LINE = "Write each record as one line of JSON: json.dumps(record)."
_TURNS = "Order the messages: at most one system message, then user and assistant in turn."
_PERSON = "Replace it by a made-up one or leave the chat out: a model can repeat what it saw."
_SECRET = "Leave it out, and revoke it where it was real: whoever has the file has it."
_COPY = "Keep one of them: a chat that is there twice counts twice in the loss."
_LEAK = "Take it out of one file (`tunestack data split` does): it makes the validation loss a lie."
_PAIR = 'Give {"prompt": [...], "chosen": [...], "rejected": [...]}, a list of messages each.'

RULES: dict[str, Rule] = {
    "json.encoding": Rule("error", "Save the file as UTF-8."),
    "json.syntax": Rule("error", _ONE_LINE),
    "json.object": Rule("error", 'Write {"messages": [...]} on each line.'),
    "json.length": Rule("error", _ONE_LINE),
    "json.mark": Rule("warning", "Nothing need be done: it is left out."),
    "json.blank": Rule("warning", "Nothing need be done: the line is left out."),
    "json.source": Rule("error", "Mend the record in the file that it comes from."),
    "file.empty": Rule("error", "Give a file with at least one record."),
    "file.few": Rule("warning", "Collect more examples; some hundreds show in the answers."),
    "file.mixed": Rule("error", "Put chats and pairs of answers in files of their own."),
    "file.keys": Rule("note", "Nothing need be done: the training reads messages alone."),
    "messages.missing": Rule("error", "Give the record a list `messages`, or see data convert."),
    "messages.type": Rule("error", "Make `messages` a list of objects with `role` and `content`."),
    "messages.empty": Rule("error", "Give the chat a user's message and an assistant's answer."),
    "roles.missing": Rule("error", "Give every message a `role`."),
    "roles.unknown": Rule("error", "Name the roles system, user and assistant."),
    "roles.system": Rule("error", "Move what the system message says to the first message."),
    "roles.order": Rule("error", _TURNS),
    "roles.last": Rule("error", "End with an assistant's answer, or leave the chat out."),
    "content.missing": Rule("error", "Give every message a `content`."),
    "content.type": Rule("error", "Make `content` a text; parts and pictures are not trained on."),
    "content.empty": Rule("error", "Write the text, or leave the chat out."),
    "pair.type": Rule("error", _PAIR),
    "pair.prompt": Rule("error", "End `prompt` with the user's message that both answer."),
    "pair.same": Rule("error", "Leave the pair out: where both are equal nothing is preferred."),
    "duplicates.exact": Rule("warning", _COPY),
    "duplicates.near": Rule("warning", "Keep the better one, unless they are meant to be alike."),
    "leakage.exact": Rule("warning", _LEAK),
    "leakage.near": Rule("warning", _LEAK.replace(" (`tunestack data split` does)", "")),
    "personal.email": Rule("warning", _PERSON),
    "personal.phone": Rule("warning", _PERSON),
    "personal.card": Rule("warning", _PERSON),
    "personal.iban": Rule("warning", _PERSON),
    "personal.number": Rule("warning", _PERSON),
    "personal.ip": Rule("note", _PERSON),
    "secrets.key": Rule("warning", _SECRET),
    "refusals.answer": Rule("note", "Leave it out unless the model should refuse this."),
    "refusals.share": Rule("warning", "Thin them out: a model tuned on refusals refuses."),
    "template.token": Rule("warning", "Take it out: the model reads it as the end of a turn."),
    "template.own": Rule("error", "Take it out: the model reads it as the end of a turn."),
    "system.mixed": Rule("note", "Give every chat a system message, or none, as in serving."),
    "system.empty": Rule("error", "Leave the system message out, or write one."),
    "system.default": Rule("warning", "Give every chat the system message that serving sends."),
    "length.tokens": Rule("error", "Shorten the chat, leave it out, or raise training.max_length."),
    "routes.openai": Rule("note", "Nothing need be done for a training on Azure ML."),
    "routes.few": Rule("error", "Collect more examples; the service does not train on fewer."),
    "routes.size": Rule("error", "Train on a part of it, or on a cluster of your own."),
    "routes.tokens": Rule("error", "Shorten the example or leave it out."),
    "routes.weight": Rule("error", "Give `weight` 0 or 1, to assistant messages alone, not all 0."),
    "routes.tools": Rule("error", "Write tools as the chat API does, for the route openai alone."),
    "routes.images": Rule("error", "Leave pictures out, or take a model that sees: gpt-4o."),
    "routes.pair": Rule("error", "Give each output an assistant's message, none of the user's."),
}  # fmt: skip
"""Every rule by its name."""

FORM = frozenset(("json", "file", "messages", "roles", "content", "pair"))
"""Groups that are always looked at: without them there is nothing to train on."""

EVERY = frozenset(name for name in RULES)
QUICK = frozenset(
    name
    for name in RULES
    if name.split(".")[0] in FORM or name in ("duplicates.exact", "length.tokens")
)
"""The form of the records and exact copies: what costs microseconds."""


def choose(rules: Iterable[str] = (), skip: Iterable[str] = ()) -> frozenset[str]:
    """Give the names of the rules to look at; `rules` empty means all of them.

    Raises:
        SettingsError: there is no such rule or group, or it cannot be skipped.
    """
    asked = _names(rules) if rules else EVERY
    left_out = _names(skip)
    needed = sorted({name.split(".")[0] for name in left_out} & FORM)
    if needed:
        raise SettingsError(
            f"--skip: {', '.join(needed)} cannot be skipped: a training would fail on it."
        )
    return (asked - left_out) | {name for name in RULES if name.split(".")[0] in FORM}


def _names(asked: Iterable[str]) -> frozenset[str]:
    """Spell out groups and commas."""
    words = [word for text in asked for word in text.replace(",", " ").split()]
    found = {word: {n for n in RULES if word in (n, n.split(".")[0])} for word in words}
    unknown = [word for word, names in found.items() if not names]
    if unknown:
        groups = dict.fromkeys(name.split(".")[0] for name in RULES)
        raise SettingsError(
            f"There is no rule {', '.join(unknown)}.", hint=f"Known groups: {', '.join(groups)}."
        )
    return frozenset().union(*found.values())
