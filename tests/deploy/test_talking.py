"""The chat command at a pipe and with one question; the endpoint is an answering machine."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from pydantic import SecretStr

from commands.chat.sides import Sides, open_sides
from commands.session import Session
from core.errors import CloudError, PrerequisiteError, SettingsError, UserError
from core.refs import EndpointRef
from deploy.access import Access
from deploy.endpoint import DeploymentState, EndpointState
from deploy.talking.answers import Part
from deploy.talking.chat import Conversation, Options

ENDPOINT = EndpointRef(name="ep", scoring_url="https://ep.test/score", deployment="v1-0")
USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}


class Echo:
    """A line that gives a question back in two parts, a terminal's sequence across them."""

    endpoint = ENDPOINT
    answered_by = "v1-0"
    is_streamed = True

    def __init__(self) -> None:
        self.is_closed = False
        self.bodies: list[dict[str, Any]] = []

    def stream(self, body: dict[str, Any]) -> Iterator[Part]:
        self.bodies.append(body)
        text = body["messages"][-1]["content"]
        if text == "too long":
            raise UserError("too long")
        yield Part("you said\x1b")
        if text == "break":
            raise CloudError("it broke")
        yield Part(f"[31m {text}\x07\u202e", "stop", USAGE)

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def echo(monkeypatch: pytest.MonkeyPatch) -> Iterator[Echo]:
    line = Echo()

    def open_sides(
        session: Any, model: str | None, system: str, options: Options, route: str
    ) -> Sides:
        sides = Sides(lambda side, told: Conversation(line, told, options), system)  # type: ignore[arg-type]
        sides.choose(model or "tuned")
        return sides

    monkeypatch.setattr("commands.chat.command.open_sides", open_sides)
    yield line
    assert line.is_closed


def run(*arguments: str, text: str = "") -> Result:
    from commands.chat.command import chat

    return CliRunner().invoke(chat, arguments, input=text)


def test_one_question_gives_its_answer_alone_on_stdout(echo: Any) -> None:
    assert run("--once", "hello").stdout == "you said[31m hello\n"


def test_one_question_as_json_says_who_answered_and_what_it_took(echo: Any) -> None:
    document = json.loads(run("--once", "hello", "--json").stdout)
    assert document["question"] == "hello"
    assert document["answer"] == "you said\x1b[31m hello\x07\u202e"
    assert document["endpoint"] == ENDPOINT.model_dump()
    assert document["deployment"] == "v1-0"
    assert document["finish_reason"] == "stop"
    assert document["usage"] == USAGE
    assert 0 < document["seconds_to_first_token"] <= document["seconds"]
    assert document["tokens_per_second"] == pytest.approx(4 / document["seconds"])


def test_how_to_answer_goes_along(echo: Any) -> None:
    options = ["--system", "Be brief.", "--max-tokens", "9", "--temperature", "0", "--top-p", "0.5"]
    run("--once", "hello", *options, "--seed", "3", "--stop", "END", "--stop", "\n\n")
    assert echo.bodies == [
        {
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "hello"},
            ],
            "max_tokens": 9,
            "temperature": 0.0,
            "top_p": 0.5,
            "seed": 3,
            "stop": ["END", "\n\n"],
        }
    ]


def test_figures_go_to_stderr_where_they_are_asked_for(echo: Any) -> None:
    result = run("--once", "hello", "--stats")
    assert result.stdout == "you said[31m hello\n"
    assert "tuned v1-0 · 4 tokens" in result.stderr
    assert "tokens/s · first words after" in result.stderr


def test_a_pipe_is_one_conversation_line_by_line(echo: Any) -> None:
    result = run(text="one\n\n  \ntwo\n")
    assert result.stdout.splitlines() == ["you said[31m one", "you said[31m two"]
    assert [len(body["messages"]) for body in echo.bodies] == [1, 3]


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        ("one\\\ntwo\\\n  three\nfour\n", ["one\ntwo\n  three", "four"]),
        ("```\none\n\n  two\n```\nthree\n", ["one\n\n  two", "three"]),
        ("```python\nprint(1)\n```\n", ["```python\nprint(1)\n```"]),
        ("```\nno end\n", ["no end"]),
        ("no end\\", ["no end"]),
        ("```code``` in a line\n", ["```code``` in a line"]),
        ("a\r\n/new\r\n", ["a", "/new"]),
    ],
)
def test_a_question_may_have_several_lines(echo: Any, typed: str, asked: list[str]) -> None:
    run(text=typed)
    assert [body["messages"][-1]["content"] for body in echo.bodies] == asked


def test_a_pipe_as_json_is_one_document(echo: Any) -> None:
    exchanges = json.loads(run("--json", text="one\ntwo\n").stdout)
    assert [each["question"] for each in exchanges] == ["one", "two"]
    assert json.loads(run("--json", text="\n").stdout) == []


def test_a_refused_question_in_a_pipe_ends_with_its_error(echo: Any) -> None:
    result = run(text="one\ntoo long\n")
    assert isinstance(result.exception, UserError)


def test_what_came_of_a_broken_answer_stays_on_the_screen(echo: Any) -> None:
    result = run("--once", "break")
    assert result.stdout == "you said\n"
    assert isinstance(result.exception, CloudError)


def test_conversations_are_put_behind_each_other_and_can_be_trained_on(
    echo: Any, tmp_path: Path
) -> None:
    from tests.typed_commands import run as tunestack

    file = tmp_path / "chats.jsonl"
    run("--save", str(file), "--system", "Be brief.", text="one\ntwo\n")
    file.write_bytes(file.read_bytes().rstrip())  # as an editor may leave it
    run("--once", "three", "--save", str(file))
    first, second = [json.loads(line) for line in file.read_text().splitlines()]
    roles = [each["role"] for each in first["messages"]]
    assert roles == ["system", "user", "assistant", "user", "assistant"]
    assert [each["content"] for each in second["messages"]] == [
        "three", "you said\x1b[31m three\x07\u202e",
    ]  # fmt: skip
    assert "2" in tunestack("data", "check", file).output


def test_what_was_answered_before_a_failure_is_saved(echo: Any, tmp_path: Path) -> None:
    file = tmp_path / "chats.jsonl"
    result = run("--save", str(file), text="one\nbreak\n")
    assert isinstance(result.exception, CloudError)
    assert [each["role"] for each in json.loads(file.read_text())["messages"]] == [
        "user", "assistant",
    ]  # fmt: skip
    other = tmp_path / "nothing.jsonl"
    run("--save", str(other), text="break\n")
    assert not other.exists()


@pytest.mark.parametrize("content", ["a diary\n", '{"prompt": "p"}\n', "[1]\n", "\x00\x01"])
def test_a_file_of_something_else_is_left_as_it_is_before_anything_is_asked(
    tmp_path: Path, content: str
) -> None:
    file = tmp_path / "diary.txt"
    file.write_text(content)
    assert isinstance(run("--once", "hello", "--save", str(file)).exception, SettingsError)
    assert file.read_text() == content


@pytest.mark.parametrize("name", [".", "missing/chats.jsonl"])
def test_what_cannot_be_saved_is_said_before_anything_is_asked(tmp_path: Path, name: str) -> None:
    result = run("--once", "hello", "--save", str(tmp_path / name))
    assert isinstance(result.exception, SettingsError)


@pytest.mark.parametrize(
    "arguments",
    [("--once", " "), ("--once", "a", "--stop", ""), ("--once", "a", *("--stop", "b") * 5)],
)
def test_what_asks_nothing_or_too_much_is_refused(arguments: tuple[str, ...]) -> None:
    assert isinstance(run(*arguments).exception, SettingsError)


def test_json_at_a_terminal_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from commands.chat import command

    class Terminal:
        @staticmethod
        def isatty() -> bool:
            return True

    class Sys:
        stdin = Terminal

    monkeypatch.setattr(command, "sys", Sys)
    assert isinstance(run("--json").exception, SettingsError)


@pytest.mark.parametrize(
    ("model", "deployments", "hint"),
    [
        (None, None, "tunestack deploy --stack local"),
        (None, [], "tunestack deploy"),
        ("tuned", [], "tunestack deploy --stack local"),
        ("base", [], "tunestack deploy --with-base --stack local"),
        ("base", [("v1", "base", "Failed")], "tunestack deploy --with-base --stack local"),
    ],
)
def test_where_nothing_answers_the_command_is_named(
    monkeypatch: pytest.MonkeyPatch, model: str | None, deployments: Any, hint: str
) -> None:
    stack(monkeypatch, deployments, traffic="")
    arguments = ["--model", model] if model else []
    result = run("--once", "hello", *arguments)
    assert isinstance(result.exception, PrerequisiteError)
    assert result.exception.hint == hint


@pytest.mark.parametrize(("model", "asked"), [(None, ""), ("tuned", "v2"), ("base", "v1-base")])
def test_the_traffic_decides_unless_a_side_is_named(
    monkeypatch: pytest.MonkeyPatch, model: str | None, asked: str
) -> None:
    stack(monkeypatch, [("v2", "tuned", "Succeeded"), ("v1-base", "base", "Succeeded")], "v2")
    sides = open_sides(Session("local"), model, "", Options())
    assert sides.conversations[model or "tuned"].line.deployment == asked
    sides.choose("tuned", "base")
    assert sides.conversations["base"].line.deployment == "v1-base"


def stack(monkeypatch: pytest.MonkeyPatch, deployments: Any, traffic: str) -> None:
    """Let the stack's endpoint have these deployments; none where it is None."""
    state = None
    if deployments is not None:
        found = [
            DeploymentState(name, "m:1", each, 100 * (name == traffic), "size", 1, serves=side)
            for name, side, each in deployments
        ]
        reference = ENDPOINT.model_copy(update={"deployment": traffic})
        state = EndpointState(reference, "Succeeded", tuple(found))
    access = Access(ENDPOINT, lambda: SecretStr("a-secret-key"))
    monkeypatch.setattr(Session, "cloud", None)
    monkeypatch.setattr(Session, "outputs", None)
    monkeypatch.setattr("commands.chat.sides.managed_sides", lambda session: {})
    monkeypatch.setattr("commands.chat.sides.find", lambda *_: state)
    monkeypatch.setattr("deploy.talking.chat.open_access", lambda *_: access)
