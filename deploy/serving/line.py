"""The line of questions that wait for a place, and how many places memory has."""

import threading
from collections import deque

from asked import Asked
from engine import busy
from row_cache import AHEAD, rows_taken

MOST_READ_TOKENS = 4096
"""Of all the questions that are read side by side."""
MOST_FILL = 1.5
"""How many times its own tokens a group may take with the filling of its shorter questions."""


class Line:
    """Questions in the order in which they came; any thread may add to it."""

    def __init__(self, most_rows: int, most_tokens: int, switch: int | None) -> None:
        """Let so many be written at once.

        `switch` is where the model's rotary embedding changes for the whole of a longer text: one
        step cannot compute both kinds.
        """
        self._most_rows = most_rows
        self.most_tokens = most_tokens
        """Of all questions and answers being written; less once memory ran out."""
        self._switch = switch
        self.is_closed = False
        self._waiting: deque[Asked] = deque()
        self._change = threading.Condition()

    def add(self, asked: Asked) -> None:
        """Put a question at the end."""
        with self._change:
            self._waiting.append(asked)
            self._change.notify()

    def put_back(self, asked: list[Asked]) -> None:
        """Put questions that had a place at the front again; they go on where they were."""
        with self._change:
            self._waiting.extendleft(row for row in reversed(asked) if not row.is_over)

    def wait(self) -> bool:
        """Wait until there is a question; False once the line is closed."""
        with self._change:
            self._change.wait_for(lambda: self._waiting or self.is_closed)
            return not self.is_closed

    def close(self) -> None:
        """Let nobody wait any more."""
        with self._change:
            self.is_closed = True
            self._change.notify()

    def dismiss(self) -> None:
        """Refuse those whose time is over, drop those that were given up."""
        with self._change:
            for asked in self._waiting:
                if asked.is_late and not asked.written:
                    asked.refuse(busy())
                elif asked.is_late:
                    asked.cut()
            self._waiting = deque(asked for asked in self._waiting if not asked.is_over)

    def next_group(self, in_flight: list[Asked]) -> list[Asked]:
        """Take the next few that have a place beside those in flight and can be read together.

        The first one gets a place in any case where it would be alone.
        """
        group: list[Asked] = []
        with self._change:
            while self._waiting:
                asked = self._waiting[0]
                taken = [*in_flight, *group]
                if taken and not self._fits([*taken, asked]):
                    break
                if group and not self._go_together([*group, asked]):
                    break
                group.append(self._waiting.popleft())
        return group

    def is_long(self, asked: Asked) -> bool:
        """Whether a text is beyond the switch."""
        return self._switch is not None and asked.length > self._switch

    def _fits(self, rows: list[Asked]) -> bool:
        return len(rows) <= self._most_rows and tokens_taken(rows) <= self.most_tokens

    def _go_together(self, rows: list[Asked]) -> bool:
        lengths = [row.length for row in rows]
        filled = len(rows) * max(lengths)
        if len({self.is_long(row) for row in rows}) > 1:
            return False
        return filled <= min(MOST_READ_TOKENS, MOST_FILL * sum(lengths))


def tokens_taken(rows: list[Asked]) -> int:
    """Count the tokens that memory must hold so that these can be written together to their end."""
    return rows_taken(len(rows)) * (max(row.needs for row in rows) + AHEAD)
