"""Every error that a person may see, and the exit code that goes with it.

Raise one of these where the cause is known; `cli.py` prints it and exits, once.
"""


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
