"""An answer's text as its tokens come: whole characters, up to a stop text, no blanks around.

However an answer is asked for, whole or piece by piece, its text is the same.
"""

from typing import Any

from tokenizers.decoders import DecodeStream


class AnswerText:
    """Turns tokens into text that may be shown at once, for any runtime."""

    def __init__(self, tokenizer: Any, stops: tuple[str, ...]) -> None:
        self._tokenizer = tokenizer.backend_tokenizer
        self._characters = DecodeStream(skip_special_tokens=True)
        self._stops = stops
        self._held = ""
        self._has_begun = False
        self.is_stopped = False
        """Whether a stop text was come to; what follows it is nobody's."""

    def push(self, token: int) -> str:
        """Take the next token; give the text that is certain by now, often none."""
        written = self._characters.step(self._tokenizer, token)
        return self.push_text(written) if written else ""

    def push_text(self, text: str) -> str:
        """Take the next text, for a runtime that gives no tokens."""
        if self.is_stopped:
            return ""
        self._held += text
        ends = [self._held.find(stop) for stop in self._stops if stop in self._held]
        if ends:
            self.is_stopped = True
            self._held = self._held[: min(ends)]
        return self._give(0 if ends else self._undecided())

    def rest(self) -> str:
        """Give what was held back, once the answer has ended; an unfinished character is lost."""
        return self._give(0)

    def _undecided(self) -> int:
        """Count the characters at the end that may be the beginning of a stop text."""
        longest = max((len(stop) for stop in self._stops), default=1) - 1
        for size in range(min(longest, len(self._held)), 0, -1):
            if any(stop.startswith(self._held[-size:]) for stop in self._stops):
                return size
        return 0

    def _give(self, keep: int) -> str:
        """Give what is held but for `keep` characters and the blanks before them."""
        whole = self._held[: len(self._held) - keep].rstrip()
        self._held = self._held[len(whole) :]
        given = whole if self._has_begun else whole.lstrip()
        self._has_begun = self._has_begun or bool(given)
        return given
