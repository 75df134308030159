"""The chat at a real terminal: a child process on a pty, keys typed, what is on the screen read."""

import fcntl
import json
import os
import pty
import select
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.deploy.streaming_server import StreamingServer, event, raw, streamed, streaming_server

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(__file__).with_name("chat_at_address.py")
SECONDS = 30
CTRL_C, CTRL_D = "\x03", "\x04"


class Screen:
    """A terminal with the chat in it."""

    def __init__(self, *arguments: str, folder: Path) -> None:
        self.master, slave = pty.openpty()
        self.child = subprocess.Popen(
            [sys.executable, str(PROGRAM), *arguments],
            stdin=slave, stdout=slave, stderr=slave, cwd=folder, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "dumb", "COLUMNS": "200",
                 "NO_PROXY": "127.0.0.1"},
        )  # fmt: skip
        os.close(slave)
        self.shown = ""

    def see(self, text: str) -> str:
        """Wait until a text is on the screen; give what came up to it and forget that."""
        end = time.monotonic() + SECONDS
        while text not in self.shown:
            ready, _, _ = select.select([self.master], [], [], max(0, end - time.monotonic()))
            assert ready, f"{text!r} never came; there is: {self.shown!r}"
            try:
                self.shown += os.read(self.master, 4096).decode(errors="replace")
            except OSError as error:  # the child has gone
                raise AssertionError(f"{text!r} never came: {self.shown!r}") from error
        before, _, self.shown = self.shown.partition(text)
        return before

    def type(self, text: str, *, end: str = "\n") -> None:
        os.write(self.master, (text + end).encode())

    def leave(self) -> int:
        """Leave from a prompt: between two the terminal itself would take the Ctrl-D."""
        self.type(CTRL_D, end="")
        return self.child.wait(SECONDS)

    def close(self) -> None:
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()
        os.close(self.master)


@pytest.fixture
def server() -> Iterator[StreamingServer]:
    with streaming_server() as running:
        yield running


@pytest.fixture
def screen(server: StreamingServer, tmp_path: Path) -> Iterator[Callable[..., Screen]]:
    opened: list[Screen] = []

    def open_on(*options: str, has_base: str = "yes") -> Screen:
        opened.append(Screen(server.address, has_base, *options, folder=tmp_path))
        opened[-1].see("tuned> ")
        return opened[-1]

    yield open_on
    for each in opened:
        each.close()


def test_words_are_on_the_screen_before_the_rest_is_written_and_steer_nothing(
    server, screen
) -> None:
    gate = threading.Event()
    server.steps = [streamed("Lis\x1b", "[2Jbon\x07.", gates=(gate,), by="blue")]
    at = screen()
    at.type("Where to?")
    at.see("Lis")
    gate.set()
    at.see("[2Jbon.")
    told = at.see("tuned> ")
    assert "\x1b" not in told and "\x07" not in told
    assert "tuned blue · 2 tokens" in told and "tokens/s" in told
    assert at.leave() == 0


def test_ctrl_c_stops_the_answer_and_not_the_program(server, screen) -> None:
    left = threading.Event()

    def endless(handler) -> None:
        handler.begin("text/event-stream")
        try:
            while True:
                handler.chunk(event("on and on "))
        except OSError:
            left.set()

    server.steps = [endless, streamed("Lisbon.")]
    at = screen()
    at.type("Where to?")
    at.see("on and on")
    at.type(CTRL_C, end="")
    at.see("Stopped")
    assert left.wait(SECONDS)
    at.see("tuned> ")
    at.type(CTRL_C, end="")
    at.see("/quit leaves")
    at.see("tuned> ")
    at.type("And now?")
    at.see("Lisbon.")
    assert [each["content"] for each in server.bodies[1]["messages"]] == ["And now?"]
    at.see("tuned> ")
    at.type("/quit")
    assert at.child.wait(SECONDS) == 0


def test_a_broken_answer_stays_on_the_screen_and_the_conversation_goes_on(server, screen) -> None:
    server.steps = [raw(event("Lis"), has_end=False), streamed("Lisbon.")]
    at = screen()
    at.type("Where to?")
    at.see("Lis")
    at.see("broke off")
    at.see("not remembered")
    at.see("tuned> ")
    at.type("Again: where to?")
    at.see("Lisbon.")
    assert len(server.bodies[1]["messages"]) == 1
    at.see("tuned> ")
    assert at.leave() == 0


def test_commands_change_the_conversation_and_are_never_sent(server, screen, tmp_path) -> None:
    server.always = streamed("Lisbon.")
    at = screen("--system", "Be brief.", "--no-stats")

    def ask(text: str, answer: str = "Lisbon.") -> list[str]:
        at.type(text)
        at.see(answer)
        at.see("> ")
        return [each["content"] for each in server.bodies[-1]["messages"]]

    assert ask("one") == ["Be brief.", "one"]
    assert ask("two") == ["Be brief.", "one", "Lisbon.", "two"]
    ask("/undo", "Taken back: two")
    ask("/system Be long.", "System message: Be long.")
    assert ask("three\\\nlines") == ["Be long.", "one", "Lisbon.", "three\nlines"]
    ask("/save chats.jsonl", "Saved in chats.jsonl")
    ask("/new", "A new conversation.")
    ask("/undo", "Nothing to undo.")
    ask("/save", "Where to?")
    ask("/save chats.jsonl", "nothing to save")
    ask("/nonsense", "There is no /nonsense.")
    ask("/help", "Ctrl-C stops an answer")
    assert ask("//etc is what?") == ["Be long.", "/etc is what?"]
    assert len(server.bodies) == 4
    (saved,) = (tmp_path / "chats.jsonl").read_text().splitlines()
    assert [each["content"] for each in json.loads(saved)["messages"]] == [
        "Be long.", "one", "Lisbon.", "three\nlines", "Lisbon.",
    ]  # fmt: skip
    assert at.leave() == 0


def test_base_and_tuned_answer_the_same_question_each_in_its_own_conversation(
    server, screen, tmp_path
) -> None:
    at = screen("--save", "both.jsonl")
    server.steps = [streamed("Lisbon.", by="blue")]
    at.type("one")
    at.see("tuned blue")
    at.type("/both")
    at.see("base: 0 questions")
    at.see("tuned+base> ")
    server.steps = [streamed("Porto.", by="blue"), streamed("Paris.", by="base-1")]
    at.type("two")
    at.see("Porto.")
    at.see("Paris.")
    at.see("base base-1")
    sent = [[each["content"] for each in body["messages"]] for body in server.bodies]
    assert sent == [["one"], ["one", "Lisbon.", "two"], ["two"]]
    at.see("tuned+base> ")
    assert at.leave() == 0
    kept = [json.loads(line) for line in (tmp_path / "both.jsonl").read_text().splitlines()]
    assert [each["messages"][-1]["content"] for each in kept] == ["Porto.", "Paris."]


def test_where_no_base_model_is_deployed_the_command_is_named(server, screen) -> None:
    server.always = streamed("Lisbon.")
    at = screen(has_base="no")
    at.type("/base")
    at.see("tunestack deploy --with-base --stack local")
    at.see("tuned> ")
    at.type("Where to?")
    at.see("Lisbon.")
    at.see("tuned> ")
    assert at.leave() == 0
