"""The chat command at a pipe and with one question; the endpoint is an answering machine."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from core.errors import SettingsError, UserError
from core.refs import EndpointRef

ENDPOINT = EndpointRef(name="ep", scoring_url="https://ep.test/score", deployment="v1-0")


class Echo:
    endpoint = ENDPOINT

    def __init__(self) -> None:
        self.is_closed = False

    def ask(self, text: str) -> str:
        if text == "too long":
            raise UserError("too long")
        return f"you said\x1b[31m {text}\x07"

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def echo(monkeypatch: pytest.MonkeyPatch) -> Iterator[Echo]:
    conversation = Echo()
    monkeypatch.setattr("commands.chat.talk", lambda *_, **__: conversation)
    yield conversation
    assert conversation.is_closed


def run(*arguments: str, text: str = "") -> Result:
    from commands.chat import chat

    return CliRunner().invoke(chat, arguments, input=text)


def test_one_question_gives_its_answer_alone_on_stdout(echo: Any) -> None:
    assert run("--once", "hello").stdout == "you said[31m hello\n"


def test_one_question_as_json_says_who_answered(echo: Any) -> None:
    document = json.loads(run("--once", "hello", "--json").stdout)
    assert document["question"] == "hello"
    assert document["endpoint"] == ENDPOINT.model_dump()


def test_a_pipe_is_one_conversation_line_by_line(echo: Any) -> None:
    result = run(text="one\n\n  \ntwo\n")
    assert result.stdout.splitlines() == ["you said[31m one", "you said[31m two"]


def test_a_pipe_as_json_is_one_document(echo: Any) -> None:
    exchanges = json.loads(run("--json", text="one\ntwo\n").stdout)
    assert [each["question"] for each in exchanges] == ["one", "two"]


def test_a_refused_question_in_a_pipe_ends_with_its_error(echo: Any) -> None:
    result = run(text="one\ntoo long\n")
    assert isinstance(result.exception, UserError)


def test_json_at_a_terminal_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from commands import chat as command

    class Terminal:
        @staticmethod
        def isatty() -> bool:
            return True

    class Sys:
        stdin = Terminal

    monkeypatch.setattr(command, "sys", Sys)
    assert isinstance(run("--json").exception, SettingsError)
