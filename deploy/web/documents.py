"""JSON documents as requests bring them and responses take them."""

import json
from collections.abc import AsyncIterator
from typing import Any

from starlette.responses import Response


class TooLarge(Exception):
    """A body is larger than its limit."""


async def read_limited(pieces: AsyncIterator[bytes], limit: int) -> bytes:
    """Read all pieces.

    Raises:
        TooLarge: they are more than `limit` bytes.
    """
    content = bytearray()
    async for piece in pieces:
        content += piece
        if len(content) > limit:
            raise TooLarge
    return bytes(content)


def parse_object(raw: bytes) -> dict[str, Any]:
    """Read a JSON object, by JSON's own rules: no NaN, no Infinity.

    Raises:
        ValueError: it is something else.
    """
    try:
        document = json.loads(raw.decode("utf-8-sig"), parse_constant=_no_constant)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(document, dict):
        raise ValueError("no object")
    return document


def to_json(document: Any) -> bytes:
    """Write JSON in ASCII: a text may hold half a surrogate pair, which UTF-8 has no bytes for.

    Raises:
        ValueError: it cannot be written: an infinite number, or nested too deeply.
    """
    try:
        return json.dumps(document, allow_nan=False).encode()
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def document_response(
    document: Any, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """Make a JSON response."""
    return Response(to_json(document), status, headers, "application/json")


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
