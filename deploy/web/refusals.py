"""Why a request gets no answer, in the shape that OpenAI's clients read."""

from typing import Any

from starlette.responses import Response

from deploy.web.documents import document_response

_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


class Refused(Exception):
    """A request that is not answered: the status, a code for programs and the reason."""

    def __init__(
        self, status: int, code: str, message: str, *, param: str = "", retry_after: str = ""
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.param = param
        self.retry_after = retry_after

    def document(self) -> dict[str, Any]:
        """Give the body."""
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        return {
            "error": {
                "message": self.message,
                "type": _TYPES.get(self.status, kind),
                "param": self.param or None,
                "code": self.code,
            }
        }

    def response(self) -> Response:
        """Give the whole response."""
        headers = {"Retry-After": self.retry_after} if self.retry_after else {}
        return document_response(self.document(), self.status, headers)
