"""Clients that send slowly, stay silent or leave are noticed on real sockets."""

import socket
import time
from collections.abc import Iterator

import pytest


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    here, there = socket.socketpair()
    with here, there:
        yield here, there


Pair = tuple[socket.socket, socket.socket]


def test_a_body_that_drips_ends_after_its_time(pair: Pair) -> None:
    from clients import BodyClock

    server, client = pair
    clock = BodyClock(0.2)
    began = time.monotonic()
    with clock.running(server):
        client.send(b"a")
        assert server.recv(9) == b"a"
        assert server.recv(9) == b""
    assert 0.2 <= time.monotonic() - began < 5
    server.send(b"408")
    assert client.recv(9) == b"408"


def test_a_body_that_came_in_time_leaves_the_connection_alone(pair: Pair) -> None:
    from clients import BodyClock

    server, client = pair
    clock = BodyClock(0.1)
    with clock.running(server):
        pass
    assert not clock._reading
    client.send(b"next")
    assert server.recv(9) == b"next"


def test_a_client_that_left_is_told_from_one_that_waits(pair: Pair) -> None:
    from clients import is_gone

    server, client = pair
    assert not is_gone(server)
    client.send(b"another request")
    assert not is_gone(server)
    assert server.recv(99) == b"another request"
    client.close()
    assert is_gone(server)
    assert not is_gone(None)


def test_connections_inherit_that_silence_ends_them(monkeypatch: pytest.MonkeyPatch) -> None:
    import clients

    monkeypatch.setattr(clients, "SILENCE", 1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert clients.limit_silence() >= 1
        with socket.create_connection(listener.getsockname()) as client:
            accepted, _ = listener.accept()
            with accepted:
                accepted.setblocking(True)
                client.send(b"POST")
                assert accepted.recv(9) == b"POST"
                with pytest.raises(BlockingIOError):
                    accepted.recv(9)
    monkeypatch.setattr(clients, "SILENCE", 0)
    clients.limit_silence()
