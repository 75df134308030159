"""One write to an AI account after another, as Azure refuses a second one meanwhile.

What this machine's own commands do is put into a row by a lock on a file, which holds between
threads and between processes, and ends with the process that holds it. What others do (a
colleague, the portal) shows as 409 RequestConflict, and is waited for.
"""

import fcntl
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from core.errors import CloudError
from core.home import home
from deploy.managed.contract import Tell

CONFLICT = "RequestConflict"
PAUSE_SECONDS = 5
PATIENCE_SECONDS = 900

Made = TypeVar("Made")


def in_turn(account: str, write: Callable[[], Made], tell: Tell) -> Made:
    """Write to an account once nobody else does; wait for others, within `PATIENCE_SECONDS`.

    Raises:
        CloudError: Azure refused, or others went on writing for too long.
    """
    with _turn(account, tell):
        # From here on: how long one's own other command took is no reason to give up.
        deadline, told = time.monotonic() + PATIENCE_SECONDS, False
        while True:
            try:
                return write()
            except CloudError as refused:
                if not is_conflict(refused):
                    raise
                if time.monotonic() > deadline:
                    raise _gave_up(account, refused) from refused
            if not told:
                tell(f"Somebody else is changing {account}; waiting for them to finish.")
                told = True
            time.sleep(PAUSE_SECONDS)


def is_conflict(refused: CloudError) -> bool:
    """Say whether Azure refused because of another write to the same account."""
    return refused.status == 409 and refused.code == CONFLICT


@contextmanager
def _turn(account: str, tell: Tell) -> Iterator[None]:
    """Hold the account's lock; who waits for it is told so."""
    folder = home() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{re.sub(r'[^a-z0-9-]', '-', account.lower())}.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell(f"Another command of yours is changing {account}; this one comes after it.")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _gave_up(account: str, refused: CloudError) -> CloudError:
    return refused.retold(
        f"{account} was being changed by somebody else for {PATIENCE_SECONDS // 60} minutes.",
        "The same command goes on from here.",
    )
