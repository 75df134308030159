"""Conditional requests and byte ranges, as the blob service understands them."""

import re

from local.operations import Refusal
from local.storage.blobs import Blob

RANGE = re.compile(r"bytes=(\d+)-(\d*)")


def check_conditions(headers: dict[str, str], blob: Blob | None, *, is_read: bool = False) -> None:
    """Refuse a request whose If-Match or If-None-Match does not hold.

    Raises:
        Refusal: 412, or 304 for a read of what the reader has already; 400 for conditions on
            dates, which are not played.
    """
    dates = {"if-modified-since", "if-unmodified-since"} & set(headers)
    if dates:
        raise Refusal(
            400, "UnsupportedHeader", f"The local Azure does not play {', '.join(dates)}."
        )
    wanted, unwanted = headers.get("if-match"), headers.get("if-none-match")
    if wanted and (blob is None or wanted not in ("*", blob.etag)):
        raise _not_met(412)
    if not unwanted or blob is None:
        return
    if unwanted == "*" and not is_read:
        raise Refusal(409, "BlobAlreadyExists", "The specified blob already exists.")
    if unwanted == blob.etag:
        raise _not_met(304 if is_read else 412)


def byte_range(headers: dict[str, str], size: int) -> tuple[int, int] | None:
    """Read the asked part as (first, length); None where the whole blob is asked for.

    Raises:
        Refusal: 416, it starts behind the end.
    """
    found = RANGE.fullmatch(headers.get("x-ms-range") or headers.get("range") or "")
    if found is None:
        return None
    first = int(found[1])
    if first >= size:
        raise Refusal(
            416,
            "InvalidRange",
            "The range specified is invalid for the current size of the resource.",
            Content_Range=f"bytes */{size}",
        )
    last = min(int(found[2]) if found[2] else size - 1, size - 1)
    return first, last - first + 1


def _not_met(status: int) -> Refusal:
    return Refusal(
        status,
        "ConditionNotMet",
        "The condition specified using HTTP conditional header(s) is not met.",
    )
