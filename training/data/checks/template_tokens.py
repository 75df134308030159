"""Texts in a message that a tokenizer reads as a control token of the chat template.

A `<|end|>` that a person wrote ends the turn in the middle: the model learns to stop there.
"""

import re
from collections.abc import Iterator

from training.data.checks.families import FAMILIES, MARKUP, family_of


class TemplateTokens:
    """Looks for the base model's own tokens, and where that is not known for everyone's.

    The base's own are errors. Those of other families are plain text to it, but seldom meant, and
    so a warning. What is also markup is a warning with its own base only.
    """

    def __init__(self, base: str) -> None:
        family = family_of(base)
        own = family.tokens if family else ()
        every = {token for each in FAMILIES for token in each.tokens}
        asked = (every - set(MARKUP)) | set(own)
        if not family:
            asked.add("</s>")
        self._own = set(own) - set(MARKUP)
        self._family = family.name if family else ""
        self.trigger = "|".join(map(re.escape, sorted(asked)))
        self._tokens = re.compile(self.trigger)

    def find(self, place: str, role: str, text: str) -> Iterator[tuple[str, str]]:
        """Yield each control token of a message."""
        if "<" not in text and "[" not in text:
            return
        for match in self._tokens.finditer(text):
            token = match[0]
            if token in self._own:
                yield "template.own", f"holds {token}, a control token of {self._family}"
            else:
                yield "template.token", f"holds {token}, a control token of chat templates"

    def end(self) -> Iterator[tuple[str, str]]:
        """Yield nothing: each token was said where it stands."""
        yield from ()
