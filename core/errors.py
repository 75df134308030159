"""Every error that a person may see, and the exit code that goes with it.

Raise one of these where the cause is known; `cli.py` prints it and exits, once.
"""

from collections.abc import Callable
from typing import Any


class UserError(Exception):
    """What happened, in the user's words, and what to do about it."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class JobFailed(UserError):
    """The training job ran and did not complete; the hint says where its log is."""


class DeploymentFailed(UserError):
    """The deployment did not become healthy; the hint says where the container's log is."""


class SettingsError(UserError):
    """The request is wrong and nothing was sent; the message lists every finding, one a line."""

    exit_code = 2


def check_all(*checks: Callable[[], Any]) -> None:
    """Run every check, also after one that fails.

    Raises:
        SettingsError: what all of them found, and every hint once.
    """
    found: list[SettingsError] = []
    for check in checks:
        try:
            check()
        except SettingsError as error:
            found.append(error)
    if found:
        hints = dict.fromkeys(error.hint for error in found if error.hint)
        raise SettingsError("\n".join(map(str, found)), hint="\n".join(hints)) from found[0]


class PrerequisiteError(UserError):
    """Something outside this program is missing; the hint is the command that provides it."""

    exit_code = 3


class NotSignedIn(PrerequisiteError):
    """Nobody is signed in to Azure, or no subscription is chosen."""


class CloudError(UserError):
    """Azure refused: the operation, Azure's error code and the request id."""

    exit_code = 4

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        operation: str = "",
        code: str = "",
        status: int = 0,
        request_id: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.operation = operation
        self.code = code
        self.status = status
        self.request_id = request_id

    def retold(self, message: str, hint: str) -> "CloudError":
        """Give the same refusal in other words; what it hinted at comes after the new hint."""
        return CloudError(
            message,
            hint=f"{hint} {self.hint}".strip(),
            operation=self.operation,
            code=self.code,
            status=self.status,
            request_id=self.request_id,
        )


class Interrupted(UserError):
    """The person stopped it; says what is there now and which command goes on."""

    exit_code = 130
