"""Batches of so many tokens, of fewer once memory has said no."""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import memory
from failure import JobError

log = logging.getLogger("job")

Item = TypeVar("Item")
Result = TypeVar("Result")


class TokenBatches:
    """How much is done at a time; what did not fit is not tried again."""

    def __init__(self, tokens: int, rows: int) -> None:
        self._tokens = tokens
        self._rows = rows

    def done(
        self,
        items: Iterable[Item],
        length: Callable[[Item], int],
        work: Callable[[list[Item]], list[Result]],
    ) -> Iterator[tuple[list[Item], list[Result]]]:
        """Do `work` on all items, the longest first, so that a lack of memory shows at once.

        Raises:
            JobError: memory is not enough for a single one.
        """
        waiting = deque(sorted(items, key=length, reverse=True))
        while waiting:
            rows = max(1, min(self._rows, self._tokens // max(1, length(waiting[0]))))
            batch = [waiting.popleft() for _ in range(min(rows, len(waiting)))]
            results = self._tried(work, batch)
            if results is None:
                self._shrink(len(batch), length(batch[0]))
                waiting.extendleft(reversed(batch))
            else:
                yield batch, results

    def _tried(
        self, work: Callable[[list[Item]], list[Result]], batch: list[Item]
    ) -> list[Result] | None:
        try:
            return work(batch)
        except Exception as error:
            if not memory.is_out_of_memory(error):
                raise
            if len(batch) == 1:
                reason = " ".join(str(error).split())[:300]
                raise JobError(
                    "memory is not enough for a single case: take a larger node, or fewer"
                    f" max_tokens: {reason}"
                ) from error
        memory.free()  # here nothing holds the tensors of the error's traceback any more
        return None

    def _shrink(self, rows: int, longest: int) -> None:
        self._tokens = longest * (rows // 2)
        log.warning("memory is not enough: going on with batches of %d tokens", self._tokens)
