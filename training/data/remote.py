"""A file on a web server, read in pieces: the head of a Parquet file without the other 240 MB."""

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx


class NoRanges(Exception):
    """The server gives the file only as a whole."""


class RemoteFile(io.RawIOBase):
    """A seekable read-only file whose reads are HTTP range requests.

    The server must honour `Range`; one that answers with the whole file is refused (NoRanges).
    A server that fails raises httpx.HTTPError, from whatever reads the file.
    """

    def __init__(self, url: str, client: "httpx.Client") -> None:
        self._url = url
        self._client = client
        self._place = 0
        self._size = self._ask(0, 0)[1]

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that it can be sought in."""
        return True

    def tell(self) -> int:
        """Give the place in bytes."""
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move, without a request."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        self._place = max(0, start + offset)
        return self._place

    def read(self, size: int | None = -1) -> bytes:
        """Read from here, in one request."""
        wanted = self._size if size is None or size < 0 else size
        end = min(self._place + wanted, self._size)
        if end <= self._place:
            return b""
        content, _ = self._ask(self._place, end - 1)
        self._place += len(content)
        return content

    def _ask(self, first: int, last: int) -> tuple[bytes, int]:
        answer = self._client.get(self._url, headers={"Range": f"bytes={first}-{last}"})
        answer.raise_for_status()
        _, slash, size = answer.headers.get("Content-Range", "").rpartition("/")
        if answer.status_code != 206 or not slash or not size.isdigit():
            raise NoRanges("the server gives the file only as a whole")
        return answer.content, int(size)
