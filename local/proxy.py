"""The door: a CONNECT proxy on 127.0.0.1 that asks for a password and knows where to go.

Hosts that the local Azure plays lead to its socket, a few that a job may need lead to the real
network, and everything else is refused, so that nothing can reach the real Azure by mistake.
"""

import asyncio
import base64
import contextlib
import hmac
import logging
import re
import socket
from asyncio.trsock import TransportSocket
from pathlib import Path

from local.operations import OPERATIONS, host_pattern

log = logging.getLogger("local.proxy")
USER = "rehearsal"
OUTSIDE = ("huggingface.co", ".huggingface.co", ".hf.co")
"""The model hub and its storage; a leading dot stands for every name below."""

HEAD_LIMIT = 64 * 1024
PIECE = 256 * 1024
PATIENCE = 30


class Proxy:
    """Takes connections, and passes those that it lets in to where they go."""

    def __init__(self, password: str, inner: Path) -> None:
        self._expected = b"Basic " + base64.b64encode(f"{USER}:{password}".encode())
        self._inner = inner
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, port: int) -> int:
        """Listen on 127.0.0.1; port 0 takes a free one. Gives the port.

        Raises:
            OSError: the port is taken.
        """
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", port, limit=HEAD_LIMIT)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening and cut what is open."""
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, TimeoutError, asyncio.CancelledError):
            log.debug("connection ended early", exc_info=True)
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
        except asyncio.LimitOverrunError:
            await _refuse(writer, 431, "The request's head is too long.")
            return
        line, *fields = head.split(b"\r\n")
        if not self._is_known(fields):
            await _refuse(writer, 407, "The rehearsal's proxy needs its password.")
            return
        asked = re.fullmatch(rb"CONNECT ([A-Za-z0-9.-]+):(\d+) HTTP/1\.[01]", line)
        if asked is None:
            log.warning("refused: %r", line[:200])
            await _refuse(writer, 403, "The rehearsal's proxy passes HTTPS (CONNECT) only.")
            return
        await self._tunnel(reader, writer, asked[1].decode().lower(), int(asked[2]))

    async def _tunnel(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int
    ) -> None:
        if port == 443 and is_played(host):
            inner = await asyncio.open_unix_connection(str(self._inner))
        elif port == 443 and is_outside(host):
            try:
                inner = await asyncio.wait_for(asyncio.open_connection(host, port), PATIENCE)
            except (OSError, TimeoutError) as error:
                await _refuse(writer, 502, f"{host} cannot be reached: {error}.")
                return
        else:
            log.warning("refused: %s:%s is not a host of the rehearsal", host, port)
            await _refuse(writer, 403, f"{host}:{port} is not a host of the rehearsal.")
            return
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        try:
            client = writer.get_extra_info("socket")
            await asyncio.gather(_pump(reader, inner[1], client), _pump(inner[0], writer))
        finally:
            inner[1].close()

    def _is_known(self, fields: list[bytes]) -> bool:
        for field in fields:
            name, _, value = field.partition(b":")
            if name.strip().lower() == b"proxy-authorization":
                return hmac.compare_digest(value.strip(), self._expected)
        return False


def is_played(host: str) -> bool:
    """Say whether an operation of the local Azure has this host."""
    return any(host_pattern(template).fullmatch(host) for template in {o.host for o in OPERATIONS})


def is_outside(host: str) -> bool:
    """Say whether a host of the real network may be reached."""
    return any(host == name or (name[0] == "." and host.endswith(name)) for name in OUTSIDE)


async def _pump(
    source: asyncio.StreamReader,
    target: asyncio.StreamWriter,
    client: TransportSocket | None = None,
) -> None:
    with contextlib.suppress(ConnectionError):
        while piece := await source.read(PIECE):
            if client is not None:
                _acknowledge(client)
            target.write(piece)
            await target.drain()
        if target.can_write_eof():
            target.write_eof()


def _acknowledge(client: TransportSocket) -> None:
    """Tell the client at once that its bytes have come.

    urllib3 lets a body wait for the acknowledgement of the head where there is a proxy, and
    Linux lets that wait 40 ms.
    """
    if hasattr(socket, "TCP_QUICKACK"):
        with contextlib.suppress(OSError):
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


async def _refuse(writer: asyncio.StreamWriter, status: int, reason: str) -> None:
    body = reason.encode()
    ask = b'Proxy-Authenticate: Basic realm="tunestack"\r\n' if status == 407 else b""
    writer.write(
        f"HTTP/1.1 {status} Refused\r\nContent-Type: text/plain\r\n".encode()
        + ask
        + f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
        + body
    )
    with contextlib.suppress(ConnectionError):
        await writer.drain()
