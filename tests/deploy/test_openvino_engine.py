"""The engine for four-bit models: its line, its process, its settings; no model.

The process at the other end is a real one with the engine's own loop; what stands in for OpenVINO
there repeats the question, so that answers are known. The real one is in test_four_bits.py.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.conftest import make_tokenizer

ROOM = 512
STANDS_IN = '''
import sys, time, types
sys.path.insert(0, CODE)
import openvino_worker

class Repeating:
    """Writes each question's tokens again and again, until it has written enough."""

    def __init__(self, pipeline):
        self.handles, self.left = {}, set()

    def take(self, number, tokens, settings):
        if settings["repetition_penalty"] == 13:
            raise RuntimeError("OpenVINO does not like it")
        self.handles[number] = [0, tokens, settings["max_new_tokens"]]

    def leave(self, number):
        self.left.add(number)

    def step(self):
        time.sleep(0.001)
        told = [self.told(number) for number in list(self.handles)]
        return [news for news in told if news]

    def told(self, number):
        handle = self.handles[number]
        if handle[2] == 99:  # never writes
            tokens = []
        else:
            tokens, handle[0] = [handle[1][handle[0] % len(handle[1])]], handle[0] + 1
        finish = "left" if number in self.left else "length" if handle[0] == handle[2] else ""
        if finish:
            del self.handles[number]
        return number, tokens, finish

writing = types.ModuleType("openvino_writing")
writing.Writing, writing.load = Repeating, lambda folder, context: (None, context)
sys.modules["openvino_writing"] = writing
openvino_worker.main()
'''


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return make_tokenizer()


@pytest.fixture
def make(
    serving: Path, tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Any]]:
    import openvino_engine
    from prompts import Prompts

    program = tmp_path / "stands_in.py"
    program.write_text(STANDS_IN.replace("CODE", repr(str(serving))))
    monkeypatch.setattr(openvino_engine, "WORKER", program)
    made: list[Any] = []

    def run(room: int = ROOM) -> Any:
        prompts = Prompts(tokenizer, context=room, end_tokens=(4,))
        made.append(openvino_engine.OpenVinoEngine.load(tmp_path, {}, prompts))
        return made[-1]

    yield run
    for engine in made:
        engine.close()


@pytest.fixture
def ask(tokenizer: Any) -> Callable[..., Any]:
    def run(engine: Any, text: str, *, seconds: float = 20, **sampling: Any) -> Any:
        from engine import Question
        from sampling import Sampling

        tokens = tuple(tokenizer(text, add_special_tokens=False)["input_ids"])
        sampling.setdefault("max_new_tokens", len(tokens))
        return engine.write(Question(tokens, Sampling(**sampling), time.monotonic() + seconds))

    return run


def told(answer: Any) -> tuple[str, str]:
    pieces = list(answer)
    assert not any(piece.finish for piece in pieces[:-1])
    return "".join(piece.text for piece in pieces), pieces[-1].finish


def test_an_answer_comes_in_pieces_of_whole_characters(make: Any, ask: Any) -> None:
    pieces = list(ask(make(), "Grüße 🌍 there", max_new_tokens=40))
    text = "".join(piece.text for piece in pieces)
    assert text.startswith("Grüße 🌍 thereGrüße 🌍")
    assert "\ufffd" not in text
    assert len(pieces) > 5
    assert (pieces[-1].finish, pieces[-1].tokens) == ("length", 40)


def test_an_end_token_ends_the_answer_and_is_not_in_it(make: Any, ask: Any) -> None:
    answer = ask(make(), "Lisbon.<|end|> more", max_new_tokens=40)
    assert told(answer) == ("Lisbon.", "stop")
    assert len(answer.tokens) == len(set(answer.tokens) - {4})


def test_a_stop_text_ends_the_answer_and_frees_its_room(make: Any, ask: Any) -> None:
    engine = make()
    assert told(ask(engine, "Lisbon is warm", stop=("is w",), max_new_tokens=300)) == (
        "Lisbon", "stop",
    )  # fmt: skip
    assert told(ask(engine, "May", max_new_tokens=400))[1] == "length"


def test_answers_are_written_side_by_side(make: Any, ask: Any) -> None:
    engine = make()
    texts = [f"number {index} is warm." for index in range(12)]
    assert [told(answer) for answer in [ask(engine, text) for text in texts]] == [
        (text, "length") for text in texts
    ]


def test_a_question_waits_until_there_is_room_and_comes_in_its_turn(make: Any, ask: Any) -> None:
    engine = make(room=320)
    first = ask(engine, "May", max_new_tokens=200)
    assert next(first).text
    second, third = ask(engine, "warm", max_new_tokens=150), ask(engine, "May", max_new_tokens=2)
    assert len(engine._with_model) == 1
    first.close()
    assert told(second)[1] == told(third)[1] == "length"


def test_who_gets_no_room_in_time_is_told_to_come_again(make: Any, ask: Any) -> None:
    from sampling import Refused

    engine = make(room=320)
    first = ask(engine, "May", max_new_tokens=99)
    second = ask(engine, "warm", max_new_tokens=200, seconds=0.2)
    with pytest.raises(Refused) as caught:
        next(second)
    assert (caught.value.code, caught.value.status) == ("busy", 429)
    assert not engine._waiting
    first.close()


def test_the_line_has_an_end(make: Any, ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import openvino_engine
    from sampling import Refused

    monkeypatch.setattr(openvino_engine, "MAX_WAITING", 1)
    engine = make(room=320)
    asked = [ask(engine, "May", max_new_tokens=200) for _ in range(3)]
    with pytest.raises(Refused, match="Other requests"):
        next(asked[2])
    assert next(asked[0]).text


def test_a_question_beyond_all_memory_is_refused_with_the_numbers(make: Any, ask: Any) -> None:
    from sampling import Refused

    with pytest.raises(Refused, match="are more than this machine's memory has room for: 320"):
        next(ask(make(room=320), "May", max_new_tokens=400))


def test_time_that_is_over_ends_an_answer_or_refuses_it(make: Any, ask: Any) -> None:
    from sampling import Refused

    engine = make(room=4096)
    assert told(ask(engine, "warm in May", max_new_tokens=4000, seconds=0.3))[1] == "length"
    for seconds in (0.2, -1):
        with pytest.raises(Refused) as caught:
            next(ask(engine, "May", max_new_tokens=99, seconds=seconds))
        assert (caught.value.code, caught.value.status) == ("out_of_time", 503)


def test_an_answer_that_nobody_holds_any_more_gives_its_room_up(make: Any, ask: Any) -> None:
    engine = make(room=320)
    next(ask(engine, "May", max_new_tokens=200))
    assert told(ask(engine, "warm", max_new_tokens=200))[1] == "length"


def test_a_dead_process_costs_the_answers_under_way_and_no_later_ones(make: Any, ask: Any) -> None:
    engine = make()
    answer = ask(engine, "May", max_new_tokens=300)
    next(answer)
    os.kill(engine._process.pid, signal.SIGKILL)
    with pytest.raises(RuntimeError, match="ended with -9"):
        list(answer)
    assert told(ask(engine, "Lisbon")) == ("Lisbon", "length")


def test_settings_that_openvino_refuses_cost_that_question_alone(
    make: Any, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make()
    monkeypatch.setattr(engine, "_penalty", 13)
    bad = ask(engine, "May")
    monkeypatch.undo()
    with pytest.raises(RuntimeError, match="dropped the question"):
        next(bad)


def test_a_signal_to_all_processes_costs_no_answer(make: Any, ask: Any) -> None:
    engine = make()
    answer = ask(engine, "warm in May", max_new_tokens=200)
    next(answer)
    for number in (signal.SIGTERM, signal.SIGINT):
        os.kill(engine._process.pid, number)
    assert told(answer)[1] == "length"
    assert engine._process.poll() is None


def test_the_models_process_ends_with_the_server_however_that_ends(
    make: Any, tmp_path: Path
) -> None:
    make()
    ours, theirs = multiprocessing.Pipe()
    arguments = [sys.executable, tmp_path / "stands_in.py", "folder", "512", str(theirs.fileno())]
    process = subprocess.Popen(arguments, pass_fds=[theirs.fileno()])
    theirs.close()
    assert ours.recv() == 512
    ours.send(("take", 1, (5, 6), {"max_new_tokens": 10_000, "repetition_penalty": 1.0}))
    assert ours.recv()
    ours.close()
    assert process.wait(timeout=10) == 0


def test_a_model_that_answers_is_fit_and_one_that_is_mute_is_not(
    make: Any, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from model_folder import UnusableModel
    from prompts import Prompts

    engine = make()
    engine.check()
    monkeypatch.setattr(Prompts, "prompt", lambda self, messages: "<|end|>")
    with pytest.raises(UnusableModel, match="writes nothing"):
        engine.check()


def test_a_model_that_cannot_be_loaded_is_refused(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from model_folder import UnusableModel

    (tmp_path / "stands_in.py").write_text("raise SystemExit(7)")
    with pytest.raises(UnusableModel, match="it ended with 7"):
        make()


def test_a_machine_without_room_for_an_answer_is_refused(make: Any) -> None:
    from model_folder import UnusableModel

    with pytest.raises(UnusableModel, match="for 64 tokens only"):
        make(room=64)


def test_a_broken_generation_config_is_refused(make: Any, tmp_path: Path) -> None:
    from model_folder import UnusableModel

    (tmp_path / "generation_config.json").write_text("[1]")
    with pytest.raises(UnusableModel, match="cannot be read"):
        make()


def test_sampling_becomes_openvinos_settings(serving: Path) -> None:
    from openvino_settings import generation
    from sampling import Sampling

    greedy = generation(Sampling(max_new_tokens=5), (2, 4), 1.1)
    assert greedy == {
        "max_new_tokens": 5,
        "stop_token_ids": {2, 4},
        "repetition_penalty": 1.1,
        "do_sample": False,
    }
    sampled = generation(Sampling(temperature=0.7, top_p=0.9, seed=3, max_new_tokens=5), (), 1.0)
    assert sampled["do_sample"] is True
    assert (sampled["temperature"], sampled["top_p"], sampled["rng_seed"]) == (0.7, 0.9, 3)


def test_without_a_seed_each_question_gets_its_own(serving: Path) -> None:
    from openvino_settings import generation
    from sampling import Sampling

    drawn = {
        generation(Sampling(temperature=1.0, max_new_tokens=5), (), 1.0)["rng_seed"]
        for _ in range(20)
    }
    assert len(drawn) == 20
    assert all(0 <= seed < 2**63 for seed in drawn)


PHI = {"num_attention_heads": 32, "num_hidden_layers": 32, "hidden_size": 3072}
SMOL = {
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "num_hidden_layers": 30,
    "hidden_size": 576,
}


def test_room_is_counted_as_openvino_counts_it(serving: Path) -> None:
    """OpenVINO 2026.4 was seen to take 8,755,200 bytes for 20 blocks of SmolLM2-135M."""
    from openvino_settings import BLOCK, bytes_per_token

    assert bytes_per_token(SMOL) * 20 * BLOCK == 8_755_200


@pytest.mark.parametrize(
    ("free", "context", "tokens"),
    [(-(2**30), 4096, 0), (2**30, 4096, 2336), (2**36, 1024, 64 * 1024)],
)
def test_room_is_half_of_free_memory_and_no_more_than_can_be_used(
    serving: Path, free: int, context: int, tokens: int
) -> None:
    from openvino_settings import tokens_that_fit

    assert tokens_that_fit(PHI, free, context) == tokens


def test_free_memory_minds_the_containers_limit(
    serving: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import free_memory

    whole = free_memory.free_memory()
    monkeypatch.setattr(free_memory, "CGROUP", tmp_path)
    for name, text in (
        ("memory.max", "1000000"), ("memory.current", "400000"),
        ("memory.stat", "anon 5\ninactive_file 100000"),
    ):  # fmt: skip
        (tmp_path / name).write_text(f"{text}\n")
    assert free_memory.free_memory() == 700_000
    (tmp_path / "memory.max").write_text("max\n")
    assert abs(free_memory.free_memory() - whole) < 2**30


def test_the_list_of_packages_is_whole_and_without_torch() -> None:
    pins = Path("deploy/serving/requirements_openvino.txt").read_text().splitlines()
    names = {line.partition("==")[0] for line in pins}
    assert all("==" in line for line in pins)
    assert {"openvino-genai", "tokenizers", "azureml-inference-server-http", "jinja2"} <= names
    assert not names & {"torch", "triton", "optimum-intel"}
