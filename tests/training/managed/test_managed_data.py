"""Files for a managed service: what is refused before anything is sent, what is sent, the split."""

import hashlib
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.errors import SettingsError
from core.managed_recipe import AnyManaged, OpenAIRecipe, ServerlessRecipe
from training.data.records import BOM
from training.data.split import split_file
from training.managed import data
from training.managed.data import findings, prepare

Record = dict[str, Any]
Write = Callable[..., Path]


def openai(base: str = "gpt-4.1-mini-2025-04-14", **more: Any) -> OpenAIRecipe:
    about = {"name": "o", "description": "", "model_name": "m", "base": {"id": base}}
    return OpenAIRecipe.model_validate({"route": "openai", **about, **more})


def serverless(**more: Any) -> ServerlessRecipe:
    about = {
        "name": "s",
        "description": "",
        "model_name": "m",
        "base": {"id": "Phi-4-mini-instruct"},
    }
    return ServerlessRecipe.model_validate({"route": "serverless", **about, **more})


BOTH = pytest.mark.parametrize("recipe", [openai(), serverless()], ids=["openai", "serverless"])


def chat(number: int, **more: Any) -> Record:
    return {
        "messages": [
            {"role": "user", "content": f"Where is place {number}?"},
            {"role": "assistant", "content": f"North of place {number + 1}.", **more},
        ]
    }


def pair(number: int) -> Record:
    return {
        "prompt": [{"role": "user", "content": f"Where is place {number}?"}],
        "chosen": [{"role": "assistant", "content": f"North of {number}, friend."}],
        "rejected": [{"role": "assistant", "content": "No idea."}],
    }


def azure(record: Record) -> Record:
    return {
        "input": {"messages": record["prompt"]},
        "preferred_output": record["chosen"],
        "non_preferred_output": record["rejected"],
    }


def said(*messages: Record, **more: Any) -> Record:
    return {"messages": [*messages], **more}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def file(records: list[Any], name: str = "given.jsonl") -> Path:
        path = tmp_path / name
        lines = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in records]
        path.write_bytes(b"\n".join(lines) + b"\n")
        return path

    return file


def refused(recipe: AnyManaged, path: Path, validation: Path | None = None) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        prepare(recipe, path, validation, path.parent / "refused")
    assert caught.value.exit_code == 2
    assert not [*(path.parent / "refused").glob("*")]
    return str(caught.value).replace(f"{path}: ", "").splitlines()


def sent(path: Path) -> list[Record]:
    return [json.loads(line) for line in path.read_bytes().removeprefix(BOM).splitlines()]


@BOTH
def test_nine_examples_are_too_few_and_ten_are_not(
    recipe: AnyManaged, write: Write, tmp_path: Path
) -> None:
    told = refused(recipe, write([chat(n) for n in range(9)]))
    assert told == [f"9 examples; the route {recipe.route} takes 10 or more"]
    lines: list[str] = []
    ten = write([chat(n) for n in range(10)])
    train, held = prepare(recipe, ten, None, tmp_path / "s", lines.append)
    assert (train.rows, held) == (10, None)
    assert "takes 10" not in str(lines) and "so all 10 are needed" in lines[-1]
    assert "--eval-file" in lines[-1]


@BOTH
def test_all_findings_of_both_files_are_told_at_once_by_their_line(
    recipe: AnyManaged, write: Write
) -> None:
    wrong = [
        chat(0),
        said({"role": "user", "content": "Hello?"}),
        said({"role": "assistant", "content": "Hello."}),
        said({"role": "user", "content": "  "}, {"role": "assistant", "content": "What?"}),
        said({"role": "robot", "content": "x"}, {"role": "assistant", "content": "y"}),
        b"{not json",
    ]
    validation = write([chat(1), {"messages": []}], "validation.jsonl")
    told = refused(recipe, write(wrong), validation)
    assert [line.partition(":")[0] for line in told] == [
        "6 examples; the route " + recipe.route + " takes 10 or more",
        *(f"line {number}" for number in (2, 3, 4, 5, 6)),
        str(validation),
    ]
    assert "line 2: `messages` is empty" in told[-1]


def test_openai_gets_a_byte_order_mark_line_feeds_and_no_blank_lines(write: Write) -> None:
    lines = [json.dumps(chat(n)).encode() + b"\r" for n in range(12)]
    path = write([BOM + lines[0], b"", *lines[1:], b"  "])
    train, _ = prepare(openai(validation_share=0), path, None, path.parent / "sent")
    content = train.path.read_bytes()
    assert content.startswith(BOM + b'{"messages"')
    assert content.count(b"\n") == 12 and b"\r" not in content and b"\n\n" not in content
    assert train.bytes == len(content)
    assert train.sha256 == hashlib.sha256(content).hexdigest()


def test_serverless_gets_plain_utf_8(write: Write) -> None:
    path = write([BOM + json.dumps(chat(0)).encode(), *(chat(n) for n in range(1, 12))])
    train, _ = prepare(serverless(validation_share=0), path, None, path.parent / "sent")
    assert train.path.read_bytes().startswith(b'{"messages"')
    assert sent(train.path) == [chat(n) for n in range(12)]


def test_pairs_of_either_form_become_azures(write: Write) -> None:
    ours = write([pair(n) for n in range(12)], "ours.jsonl")
    theirs = write([azure(pair(n)) for n in range(12)], "theirs.jsonl")
    recipe = openai(objective="dpo", validation_share=0)
    made = [prepare(recipe, path, None, path.parent / path.stem)[0] for path in (ours, theirs)]
    assert sent(made[0].path) == sent(made[1].path) == [azure(pair(n)) for n in range(12)]
    assert made[0].tokens == made[1].tokens > 0


def test_pairs_are_refused_by_the_services_rules(write: Write) -> None:
    right = [azure(pair(n)) for n in range(10)]
    asks = {**right[0], "preferred_output": [{"role": "user", "content": "What?"}]}
    same = {**right[1], "non_preferred_output": right[1]["preferred_output"]}
    told = refused(openai(objective="dpo"), write([*right, asks, same]))
    assert "line 11: `preferred_output` has no assistant message" in told
    assert "line 11: `preferred_output` has messages of user" in told
    assert "line 12: `chosen` and `rejected` are the same" in told


@BOTH
def test_chats_for_dpo_and_pairs_for_sft_are_refused(recipe: AnyManaged, write: Write) -> None:
    (told,) = refused(recipe, write([azure(pair(n)) for n in range(10)]))
    assert "holds preferences; the recipe's objective sft learns from chats" in told


@pytest.mark.parametrize(
    ("weight", "told"),
    [
        (2, "line 11: `weight` is 2, neither 0 nor 1"),
        (True, "line 11: `weight` is True, neither 0 nor 1"),
        (0, "line 11: every assistant message has weight 0: nothing to learn from"),
    ],
)
def test_a_weight_is_0_or_1_and_not_every_answer_has_0(
    weight: Any, told: str, write: Write
) -> None:
    records = [*(chat(n) for n in range(10)), chat(99, weight=weight)]
    assert told in refused(openai(), write(records))


def test_weights_are_the_assistants_and_openais_alone(write: Write) -> None:
    asked = chat(0)
    asked["messages"][0]["weight"] = 1
    told = refused(openai(), write([asked, *(chat(n) for n in range(1, 11))]))
    assert told == ["line 1: `weight` on a message of user; only assistant may have it"]
    weighed = write([chat(n, weight=1) for n in range(11)])
    assert "line 1: `weight`: serverless tuning knows none" in refused(serverless(), weighed)
    train, _ = prepare(openai(validation_share=0), weighed, None, weighed.parent / "sent")
    assert all(one["messages"][1]["weight"] == 1 for one in sent(train.path))


TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {}}}]
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}


def with_tools(number: int) -> Record:
    return said(
        {"role": "user", "content": f"Weather in place {number}?"},
        {"role": "assistant", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": "Rain."},
        {"role": "assistant", "content": f"It rains in {number}."},
        tools=TOOLS,
    )


def test_tools_go_to_openai_as_they_are_and_not_to_serverless(write: Write) -> None:
    records = [with_tools(n) for n in range(11)]
    called = said(
        {"role": "user", "content": "And here?"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        tools=TOOLS,
    )
    path = write([*records, called])
    train, _ = prepare(openai(validation_share=0), path, None, path.parent / "sent")
    assert sent(train.path) == [*records, called]
    told = refused(serverless(), write(records, "again.jsonl"))
    assert "line 1: tools; serverless tuning learns from messages alone" in told


def test_tools_without_their_list_or_their_call_are_refused(write: Write) -> None:
    unlisted = with_tools(50)
    del unlisted["tools"]
    unasked = with_tools(51)
    del unasked["messages"][2]["tool_call_id"]
    told = refused(openai(), write([*(chat(n) for n in range(10)), unlisted, unasked]))
    assert "line 11: `tool_calls` without a list `tools` that names them" in told
    assert "line 12: a tool's message without `tool_call_id`" in told


def picture(number: int, role: str = "user") -> Record:
    parts = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": f"https://x.example/{number}.png"}},
    ]
    record = chat(number)
    record["messages"][0 if role == "user" else 1]["content"] = parts
    return record


def test_pictures_go_to_models_that_see(write: Write) -> None:
    records = [picture(n) for n in range(11)]
    path = write(records)
    recipe = openai("gpt-4o-2024-08-06", validation_share=0)
    train, _ = prepare(recipe, path, None, path.parent / "sent")
    assert sent(train.path) == records
    assert train.tokens > 11 * 765
    blind = "a picture; gpt-4.1-mini-2025-04-14 is tuned on text alone"
    assert f"line 1: {blind}" in refused(openai(), path)
    told = "line 1: a picture; serverless tuning learns from text alone"
    assert told in refused(serverless(), path)
    answered = write([picture(0, "assistant"), *records])
    told = "line 1: a picture in an assistant's message; answers are text"
    assert told in refused(openai("gpt-4o-2024-08-06"), answered)


def test_what_the_service_has_no_use_for_is_not_sent(write: Write) -> None:
    records = [{**chat(n), "customer": "Ada"} for n in range(12)]
    path = write(records)
    train, _ = prepare(openai(validation_share=0), path, None, path.parent / "sent")
    assert sent(train.path) == [chat(n) for n in range(12)]


@BOTH
def test_an_example_over_the_limit_is_refused(recipe: AnyManaged, write: Write) -> None:
    long = chat(0)
    long["messages"][0]["content"] = "word " * 60_000
    told = refused(recipe, write([long, *(chat(n) for n in range(1, 11))]))
    assert told == ["line 1: about 75,014 tokens; an example may have 64,536"]


@BOTH
def test_a_file_over_the_limit_is_refused_at_its_size_as_sent(
    recipe: AnyManaged, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write([chat(n) for n in range(100)])
    size = path.stat().st_size + len(BOM)
    monkeypatch.setattr(data, "MOST_BYTES", size)
    (told,) = refused(recipe, path)
    assert told.endswith("a file must be below 512 MB")
    monkeypatch.setattr(data, "MOST_BYTES", size + 1)
    prepare(recipe, path, None, path.parent / "sent")


def test_a_job_over_the_limit_of_tokens_is_refused(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write([chat(n) for n in range(100)])
    tokens = prepare(openai(validation_share=0), path, None, path.parent / "a")[0].tokens
    monkeypatch.setattr(data, "MOST_JOB_TOKENS", 4 * tokens)
    (told,) = refused(openai(training={"epochs": 5}), path)
    assert "over all epochs" in told
    prepare(openai(training={"epochs": 4}), path, None, path.parent / "b")


def test_another_form_names_the_command_that_converts_it(tmp_path: Path) -> None:
    table = tmp_path / "faq.csv"
    table.write_text("instruction,output\n" + "Where is it?,Here it is.\n" * 12)
    with pytest.raises(SettingsError) as caught:
        prepare(openai(), table, None, tmp_path / "sent")
    assert caught.value.hint == f"tunestack data convert {table}"


def test_a_file_is_not_written_over_itself(tmp_path: Path) -> None:
    given = tmp_path / "train.jsonl"
    given.write_text("\n".join(json.dumps(chat(n)) for n in range(12)))
    before = given.read_bytes()
    with pytest.raises(SettingsError, match="would be overwritten"):
        prepare(openai(), given, None, tmp_path)
    assert given.read_bytes() == before


@BOTH
def test_the_same_file_is_always_split_alike_and_copies_stay_together(
    recipe: AnyManaged, write: Write, tmp_path: Path
) -> None:
    chats = [chat(n % 60) for n in range(240)]
    first = prepare(recipe, write(chats), None, tmp_path / "one")
    again = prepare(recipe, write(chats[::-1]), None, tmp_path / "two")
    for one, other in zip(first, again, strict=True):
        assert one and other
        assert sorted(map(str, sent(one.path))) == sorted(map(str, sent(other.path)))
    train, held = ({str(one) for one in sent(part.path)} for part in first if part)
    assert not train & held
    assert sum(part.rows for part in first if part) == 240


def test_the_split_is_that_of_data_split(write: Write) -> None:
    path = write([chat(n) for n in range(200)])
    _, held = prepare(serverless(validation_share=0.2), path, None, path.parent / "sent")
    other = split_file(path, path.parent / "split", share=0.2)
    assert held is not None and held.path.read_bytes() == other.validation.read_bytes()


@pytest.mark.parametrize("rows", [11, 12, 15, 20])
def test_ten_are_always_left_for_training_and_one_is_held_out(rows: int, write: Write) -> None:
    path = write([chat(n) for n in range(rows)])
    train, held = prepare(openai(validation_share=0.49), path, None, path.parent / "sent")
    assert held is not None
    assert train.rows >= 10 and held.rows >= 1 and train.rows + held.rows == rows


def test_copies_are_not_parted_to_hold_something_out(write: Write) -> None:
    path = write([chat(0)] * 12)
    told: list[str] = []
    train, held = prepare(openai(), path, None, path.parent / "sent", told.append)
    assert (train.rows, held) == (12, None)
    assert any("too few different records" in line for line in told)


def test_leaks_between_the_files_are_told(write: Write) -> None:
    path = write([chat(n) for n in range(12)])
    told: list[str] = []
    validation = write([chat(3)], "other.jsonl")
    _, held = prepare(openai(), path, validation, path.parent / "sent", told.append)
    assert held is not None and held.rows == 1
    assert any("is in the training file too, line 4" in line for line in told)


def test_of_many_warnings_a_few_are_told_and_the_command_that_shows_them_all(write: Write) -> None:
    path = write([chat(n % 12) for n in range(60)])
    told: list[str] = []
    prepare(openai(), path, None, path.parent / "sent", told.append)
    same = [line for line in told if "the same chat as line" in line]
    assert len(same) == 3
    assert f"{path}: and 45 more; all of them: tunestack data check {path} --recipe o" in told


def test_outputs_that_are_no_lists_are_findings_like_any_other(write: Write) -> None:
    odd = {**azure(pair(0)), "preferred_output": 5, "non_preferred_output": {"role": "assistant"}}
    records = [*(azure(pair(n)) for n in range(10)), odd]
    told = refused(openai(objective="dpo"), write(records))
    assert "line 11: `preferred_output` has no assistant message" in told


def test_another_form_is_checked_as_what_it_becomes(tmp_path: Path) -> None:
    table = tmp_path / "faq.csv"
    table.write_text("instruction,output\n" + "Where is it?,Here it is.\n" * 9)
    report = findings(serverless(), table)
    assert report.form and report.rows == 9
    assert [one.rule for one in report.errors] == ["routes.few"]


def test_one_file_can_be_checked_alone(write: Write) -> None:
    report = findings(openai(), write([chat(n) for n in range(9)]))
    assert [one.rule for one in report.errors] == ["routes.few"]
    assert report.errors[0].fix.startswith("Collect more")


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """Slow, as counting every allocation over 12 MB of records takes 10 s."""
    first, second = (peak_of(tmp_path, rows) for rows in (1_000, 3_500))
    assert second < first * 1.1


def peak_of(folder: Path, rows: int) -> int:
    path = folder / f"{rows}.jsonl"
    with path.open("w") as file:
        for number in range(rows):
            words = " ".join(f"w{number * place % 99_991}" for place in range(1, 200))
            turns = ({"role": role, "content": words} for role in ("user", "assistant"))
            file.write(json.dumps(said(*turns)) + "\n")
    tracemalloc.start()
    prepare(openai(), path, None, folder / "sent")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak
