"""The model in the container, with a tiny random Phi-3: it answers, or it never gets ready."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

QUESTION = ({"role": "user", "content": "Where to in May?"},)
CONVERSATION = (
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Where to in May?"},
    {"role": "assistant", "content": "Lisbon."},
    {"role": "user", "content": "Why?"},
)


def soon() -> float:
    return time.monotonic() + 60


def reply(model: Any, messages: Any = QUESTION, **sampling: Any) -> Any:
    """Ask, and give the whole answer's text, prompt, how it ended and its counts of tokens."""
    from answers import Reply
    from sampling import Sampling

    writing = model.write(messages, Sampling(**{"max_new_tokens": 12, **sampling}), soon())
    pieces = list(writing.pieces)
    assert [bool(piece.finish) for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    text = "".join(piece.text for piece in pieces)
    last = pieces[-1]
    return Reply(text, writing.prompt, last.finish, writing.prompt_tokens, last.tokens)


def change_json(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_plain_text_goes_through_the_template_too(chat_model: Any) -> None:
    from scoring import respond

    body = {"input_data": ["Where to?"], "params": {"return_full_text": True, "max_new_tokens": 2}}
    status, text, _ = respond(chat_model, "POST", json.dumps(body).encode())
    assert status == 200
    assert json.loads(text)[0].startswith("Where to?\n")
    messages = ({"role": "user", "content": "Where to?"},)
    assert reply(chat_model, messages).prompt == "<|user|>\nWhere to?<|end|>\n<|assistant|>\n"


def test_all_three_shapes_give_the_same_answer(chat_model: Any) -> None:
    from scoring import respond

    bodies: list[dict[str, Any]] = [
        {"input_data": ["Where to?"], "params": {"max_new_tokens": 9}},
        {
            "input_data": {
                "input_string": [{"role": "user", "content": "Where to?"}],
                "parameters": {"max_new_tokens": 9},
            }
        },
        {"messages": [{"role": "user", "content": "Where to?"}], "max_tokens": 9},
    ]
    answers = [respond(chat_model, "POST", json.dumps(body).encode()) for body in bodies]
    assert [status for status, _, _ in answers] == [200, 200, 200]
    first, second, third = (json.loads(text) for _, text, _ in answers)
    assert first[0] == second["output"] == third["choices"][0]["message"]["content"]


def test_greedy_repeats_and_a_seed_repeats_a_sample(chat_model: Any) -> None:
    assert reply(chat_model).text == reply(chat_model).text
    sampled = [reply(chat_model, temperature=2.0, seed=seed).text for seed in (1, 1, 2)]
    assert sampled[0] == sampled[1] != sampled[2]


def test_the_answer_ends_before_a_stop_text(chat_model: Any) -> None:
    wanted: dict[str, Any] = {"temperature": 2.0, "max_new_tokens": 30}
    seed, whole = next(
        (seed, written)
        for seed in range(100)
        if len((written := reply(chat_model, seed=seed, **wanted)).text) > 15
        and written.text[:15].replace("\ufffd", "") == written.text[:15]
    )
    stop = whole.text[8:10]
    cut = reply(chat_model, seed=seed, stop=("never written", stop), **wanted)
    assert cut.text == whole.text.partition(stop)[0].strip()
    assert cut.finish == "stop"
    assert cut.completion_tokens < whole.completion_tokens


def test_a_cut_answer_says_length(chat_model: Any) -> None:
    short = reply(chat_model, max_new_tokens=1, stop=("never written",))
    assert (short.finish, short.completion_tokens) == ("length", 1)


def test_a_question_longer_than_the_context_is_refused_with_the_numbers(chat_model: Any) -> None:
    from scoring import respond

    body = {"input_data": ["May " * 600], "params": {"max_new_tokens": 4}}
    status, text, _ = respond(chat_model, "POST", json.dumps(body).encode())
    error = json.loads(text)["error"]
    assert (status, error["code"]) == (400, "context_length_exceeded")
    assert "512" in error["message"]


def test_an_answer_of_no_stated_length_takes_what_the_context_leaves(chat_model: Any) -> None:
    messages = ({"role": "user", "content": "a" * 500},)
    written = reply(chat_model, messages, max_new_tokens=None)
    assert 500 < written.prompt_tokens < 512
    assert written.prompt_tokens + written.completion_tokens <= 512


def test_a_template_that_refuses_the_messages_is_a_400(chat_model: Any, monkeypatch: Any) -> None:
    from scoring import respond

    template = "{{ raise_exception('Only one message.') }}"
    monkeypatch.setattr(chat_model.prompts.tokenizer, "chat_template", template)
    status, text, _ = respond(chat_model, "POST", b'{"input_data": ["a"]}')
    assert status == 400
    assert "Only one message." in json.loads(text)["error"]["message"]


def test_anything_but_a_post_is_a_405(chat_model: Any) -> None:
    from scoring import respond

    status, text, headers = respond(chat_model, "GET", b"")
    assert (status, headers["Allow"]) == (405, "POST")
    assert json.loads(text)["error"]["message"]


def test_a_healthy_model_passes_its_check(chat_model: Any) -> None:
    chat_model.check()


def test_a_model_that_computes_nan_never_gets_ready(model_copy: Path) -> None:
    from chat_model import ChatModel
    from model_folder import UnusableModel
    from safetensors.torch import load_file, save_file

    weights = load_file(model_copy / "model.safetensors")
    weights["model.norm.weight"].fill_(float("nan"))
    save_file(weights, model_copy / "model.safetensors", metadata={"format": "pt"})
    model = ChatModel.load(model_copy)
    with pytest.raises(UnusableModel, match="NaN"):
        model.check()


def test_another_template_than_in_training_never_gets_ready(model_copy: Path) -> None:
    from chat_model import ChatModel
    from model_folder import UnusableModel

    template = model_copy / "chat_template.jinja"
    template.write_text(template.read_text().replace("<|end|>", "<|end|> "))
    with pytest.raises(UnusableModel, match="differ from those in training"):
        ChatModel.load(model_copy)


def test_other_special_tokens_than_in_training_never_get_ready(model_copy: Path) -> None:
    from chat_model import ChatModel
    from model_folder import UnusableModel

    change_json(model_copy / "tokenizer_config.json", eos_token="<|end|>")
    with pytest.raises(UnusableModel, match="differ from those in training"):
        ChatModel.load(model_copy)


@pytest.mark.parametrize("spoil", ["{", "[]", '{"dtype": "float32"}'])
def test_a_manifest_that_says_nothing_never_gets_ready(model_copy: Path, spoil: str) -> None:
    from chat_model import ChatModel
    from model_folder import UnusableModel

    (model_copy / "tunestack.json").write_text(spoil)
    with pytest.raises(UnusableModel, match=r"tunestack\.json"):
        ChatModel.load(model_copy)


def test_the_model_is_found_wherever_azure_puts_it(model_folder: Path, tmp_path: Path) -> None:
    from model_folder import UnusableModel, find_model

    assert find_model(model_folder.parent.parent) == model_folder
    with pytest.raises(UnusableModel, match="none"):
        find_model(tmp_path)


def test_weights_cut_short_never_get_ready(model_copy: Path) -> None:
    from chat_model import ChatModel
    from model_folder import UnusableModel

    weights = model_copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(UnusableModel, match="cannot be loaded"):
        ChatModel.load(model_copy)


def test_a_missing_weight_is_named_and_not_made_up(model_copy: Path) -> None:
    from chat_model import ChatModel
    from model_folder import UnusableModel
    from safetensors.torch import load_file, save_file

    weights = load_file(model_copy / "model.safetensors")
    del weights["model.layers.1.mlp.down_proj.weight"]
    save_file(weights, model_copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UnusableModel, match=r"layers\.1\.mlp\.down_proj"):
        ChatModel.load(model_copy)


def test_a_folder_without_a_template_never_gets_ready(model_copy: Path) -> None:
    from chat_model import ChatModel
    from model_folder import UnusableModel

    (model_copy / "chat_template.jinja").unlink()
    with pytest.raises(UnusableModel, match="no chat template"):
        ChatModel.load(model_copy)


@pytest.mark.parametrize("lost", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_lost_file_never_gets_ready(model_copy: Path, lost: str) -> None:
    from chat_model import ChatModel
    from model_folder import UnusableModel

    (model_copy / lost).unlink()
    with pytest.raises(UnusableModel):
        ChatModel.load(model_copy)


def test_a_model_for_a_runtime_of_later_times_is_refused_by_name(model_copy: Path) -> None:
    from chat_model import ChatModel
    from model_folder import UnusableModel

    change_json(model_copy / "tunestack.json", runtime="hologram")
    with pytest.raises(UnusableModel, match=r"'hologram'.*newer tunestack"):
        ChatModel.load(model_copy)
