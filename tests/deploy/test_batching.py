"""Answers written together are those that each would get alone; one's fault is not another's."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

TOPICS = (
    "Lisbon",
    "a",
    "May in Lisbon is warm",
    "What",
    "to see there?",
    "Lisbon " * 9,
    "see",
    "x",
)
NEVER = time.monotonic() + 10**6


@pytest.fixture(scope="module")
def prompts(model_folder: Path, serving: Path) -> Any:
    from model_folder import read_manifest
    from prompts import Prompts

    return Prompts.load(model_folder, read_manifest(model_folder))


@pytest.fixture(scope="module")
def weights(model_folder: Path, serving: Path) -> Any:
    from weights import load_weights

    return load_weights(model_folder, {"dtype": "float32"})


Start = Callable[..., Any]


@pytest.fixture
def start(prompts: Any, weights: Any) -> Iterator[Start]:
    """Start an engine, on the tiny model or on another; each is closed after the test."""
    from batching import BatchingEngine

    started = []

    def begin(model: Any = None, **limits: Any) -> Any:
        started.append(BatchingEngine(model or weights, prompts, **{"most_tokens": 9999, **limits}))
        return started[-1]

    yield begin
    for engine in started:
        engine.close()


def ask(engine: Any, prompts: Any, topic: str, length: int = 24, **how: Any) -> Any:
    """Put a question in line; give it and the iterator of its answer."""
    from asked import Answer
    from sampling import Sampling

    deadline = how.pop("deadline", NEVER)
    prompt = prompts.prompt(({"role": "user", "content": topic},))
    question = prompts.question(prompt, Sampling(max_new_tokens=length, **how), deadline)
    # Without end tokens, so that an answer is as long as it was asked to be.
    asked = engine._ask(question, ())
    return asked, Answer(asked)


def tokens(asked: Any, answer: Any) -> list[int]:
    """Wait for an answer's end and give its tokens."""
    for _ in answer:
        pass
    return list(asked.tokens[len(asked.question.tokens) :])


def alone(model: Any, asked: Any) -> list[int]:
    """Give what transformers' own generate writes."""
    import torch

    question = torch.tensor([asked.question.tokens])
    written = model.generate(
        question,
        attention_mask=torch.ones_like(question),
        max_new_tokens=asked.question.sampling.max_new_tokens,
        do_sample=False,
        eos_token_id=None,
        pad_token_id=0,
    )
    return list(written[0, question.shape[1] :].tolist())


def refusal(answer: Any) -> Any:
    from sampling import Refused

    with pytest.raises(Refused) as caught:
        for _ in answer:
            pass
    return caught.value


def are_all_as_alone(engine: Any, prompts: Any, model: Any, lengths: list[int]) -> None:
    """Let questions come while others are being written, some leave, and compare all the rest."""
    first = [ask(engine, prompts, TOPICS[0], lengths[0]), ask(engine, prompts, TOPICS[5], 30)]
    next(first[0][1])
    pairs = [ask(engine, prompts, topic, size) for topic, size in zip(TOPICS, lengths, strict=True)]
    first[1][1].close()
    next(pairs[-1][1])
    pairs += [ask(engine, prompts, topic, 7) for topic in TOPICS[:3]]
    asked = [first[0], *pairs]
    written = [tokens(*pair) for pair in asked]
    # Only now: two threads in one model would disturb each other.
    assert written == [alone(model, pair[0]) for pair in asked]


def test_an_answer_is_what_it_would_be_alone_whoever_comes_and_goes(
    start: Start, prompts: Any, weights: Any
) -> None:
    are_all_as_alone(start(), prompts, weights, [40, 3, 25, 1, 60, 9, 33, 14])


def test_it_is_the_same_in_small_chunks_and_with_little_room(
    start: Start, prompts: Any, weights: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import batching
    import row_cache

    monkeypatch.setattr(row_cache, "AHEAD", 1)
    monkeypatch.setattr(batching, "MOST_CHUNK", 5)
    engine = start(most_rows=3, most_tokens=600)
    engine._chunk = 5
    are_all_as_alone(engine, prompts, weights, [40, 3, 25, 1, 60, 9, 33, 14])


def other_model(weights: Any, **changes: Any) -> Any:
    """Make a tiny random model like the tests' own, with other settings."""
    import torch
    from transformers import Phi3Config, Phi3ForCausalLM

    torch.manual_seed(3)
    own = weights.config.to_dict()
    own.pop("rope_parameters")
    # Wide weights, so that what is attended to decides what is written.
    return Phi3ForCausalLM(Phi3Config(**{**own, "initializer_range": 0.4, **changes})).eval()


def test_a_penalty_saved_with_the_model_is_kept_to(
    start: Start, prompts: Any, weights: Any
) -> None:
    model = other_model(weights)
    plain = tokens(*ask(start(model), prompts, "Lisbon", 40))
    model.generation_config.repetition_penalty = 1.6
    penalised = start(model)
    assert tokens(*ask(penalised, prompts, "Lisbon", 40)) != plain
    are_all_as_alone(penalised, prompts, model, [40, 3, 25, 1, 60, 9, 33, 14])


def test_a_model_that_looks_back_a_little_only_is_kept_to(
    start: Start, prompts: Any, weights: Any
) -> None:
    model = other_model(weights, sliding_window=12)
    are_all_as_alone(start(model), prompts, model, [40, 3, 25, 1, 60, 9, 33, 14])


def test_long_and_short_texts_of_a_longrope_model_never_share_a_step(
    start: Start, prompts: Any, weights: Any
) -> None:
    """Its rotary embedding depends on the longest text of a step; some here grow beyond it."""
    half = weights.config.hidden_size // weights.config.num_attention_heads // 2
    rope = {
        "type": "longrope",
        "short_factor": [1.0] * half,
        "long_factor": [9.0] * half,
    }
    model = other_model(weights, rope_scaling=rope, original_max_position_embeddings=40)
    engine = start(model)
    engine._chunk = 16
    are_all_as_alone(engine, prompts, model, [40, 3, 25, 1, 60, 9, 33, 14])


def test_a_seed_gives_the_same_answer_alone_and_in_company(start: Start, prompts: Any) -> None:
    engine = start()
    how = {"temperature": 1.4, "top_p": 0.8}
    single = {seed: tokens(*ask(engine, prompts, "May", seed=seed, **how)) for seed in range(6)}
    assert len({tuple(written) for written in single.values()}) > 3
    company = [ask(engine, prompts, topic, temperature=0.7) for topic in TOPICS]
    together = {seed: ask(engine, prompts, "May", seed=seed, **how) for seed in single}
    assert {seed: tokens(*pair) for seed, pair in together.items()} == single
    assert all(len(tokens(*pair)) == 24 for pair in company)


def test_without_a_seed_samples_differ(start: Start, prompts: Any) -> None:
    engine = start()
    pairs = [ask(engine, prompts, "May", temperature=1.5) for _ in range(4)]
    assert len({tuple(tokens(*pair)) for pair in pairs}) == 4


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 9999), top_p=st.floats(0.01, 1), heat=st.floats(0.001, 2))
def test_a_sample_comes_from_the_nucleus_as_transformers_cuts_it(
    seed: int, top_p: float, heat: float
) -> None:
    import torch
    from next_token import Draw, choose
    from sampling import Sampling
    from transformers import TemperatureLogitsWarper, TopPLogitsWarper

    scores = 4 * torch.randn(1, 3000, generator=torch.Generator().manual_seed(seed))
    draw = Draw(Sampling(temperature=heat, top_p=top_p, seed=seed))
    token = int(choose(scores, [draw])[0])
    none = torch.zeros(1, 1, dtype=torch.long)
    # A hair wider, since sums of floats in another order may differ in their last digit.
    wider = TopPLogitsWarper(min(1.0, top_p + 1e-4))
    allowed = wider(none, TemperatureLogitsWarper(heat)(none, scores))
    assert allowed[0, token] > -torch.inf


def test_samples_are_drawn_as_often_as_they_are_likely() -> None:
    import torch
    from next_token import Draw, choose
    from sampling import Sampling

    scores = torch.log(torch.tensor([[0.5, 0.3, 0.15, 0.05]]))
    draw = Draw(Sampling(temperature=1.0, seed=5))
    counts = torch.bincount(torch.cat([choose(scores, [draw]) for _ in range(4000)]), minlength=4)
    assert torch.allclose(counts / 4000, torch.tensor([0.5, 0.3, 0.15, 0.05]), atol=0.03)


def test_no_more_are_written_at_once_than_memory_holds(
    start: Start, prompts: Any, weights: Any
) -> None:
    most = 0

    def count(_: Any, __: Any, named: dict[str, Any], ___: Any) -> None:
        nonlocal most
        most = max(most, named["input_ids"].shape[0])

    hook = weights.register_forward_hook(count, with_kwargs=True)
    engine = start(most_tokens=800)
    pairs = [ask(engine, prompts, topic) for topic in TOPICS]
    assert all(len(tokens(*pair)) == 24 for pair in pairs)
    hook.remove()
    assert 1 < most <= 4


def test_who_gets_no_place_in_time_is_told_to_come_back(start: Start, prompts: Any) -> None:
    engine = start(most_rows=1)
    long = ask(engine, prompts, "a", 450)[1]
    next(long)
    refused = refusal(ask(engine, prompts, "May", deadline=time.monotonic() + 0.05)[1])
    assert (refused.code, refused.status, refused.retry_after) == ("busy", 429, 5)
    long.close()


def test_an_answer_given_up_leaves_its_place_to_the_next(start: Start, prompts: Any) -> None:
    engine = start(most_rows=1)
    asked, long = ask(engine, prompts, "a", 450)
    next(long)
    long.close()
    assert len(tokens(*ask(engine, prompts, "May"))) == 24
    assert asked.written < 450
    with pytest.raises(StopIteration):
        next(long)


def test_an_answer_that_nobody_holds_any_more_is_given_up(start: Start, prompts: Any) -> None:
    asked, answer = ask(start(), prompts, "a", 450)
    next(answer)
    del answer
    assert asked.is_over


def test_time_that_is_over_ends_an_answer_as_cut(start: Start, prompts: Any) -> None:
    asked, answer = ask(start(), prompts, "a", 450)
    next(answer)
    object.__setattr__(asked.question, "deadline", time.monotonic())
    last = list(answer)[-1]
    assert last.finish == "length"
    assert 0 < last.tokens < 450


def test_what_is_no_number_ends_that_answer_alone(start: Start, prompts: Any, weights: Any) -> None:
    """One row computes NaN from place 66 on, which no other gets to."""
    import torch

    def spoil(_: Any, __: Any, named: dict[str, Any], output: Any) -> None:
        wrong = named["position_ids"][:, -1] > 65
        output.logits[wrong] = torch.nan
        for layer in named["past_key_values"].layers:
            layer.values[wrong] = torch.nan

    hook = weights.register_forward_hook(spoil, with_kwargs=True)
    engine = start()
    right = [ask(engine, prompts, topic, 40) for topic in TOPICS[:4]]
    wrong = ask(engine, prompts, "x" * 45, 90)[1]
    refused = refusal(wrong)
    assert (refused.code, refused.status) == ("internal_error", 500)
    right += [ask(engine, prompts, topic, 20) for topic in "xy"]
    written = [tokens(*pair) for pair in right]
    hook.remove()
    assert written == [alone(weights, asked) for asked, _ in right]


def test_a_step_that_fails_ends_its_answers_and_the_engine_lives_on(
    start: Start, prompts: Any, weights: Any
) -> None:
    def fail(_: Any, __: Any, named: dict[str, Any], ___: Any) -> None:
        if int(named["position_ids"].max()) == 60:
            raise RuntimeError("secret detail")

    hook = weights.register_forward_hook(fail, with_kwargs=True)
    engine = start()
    refused = refusal(ask(engine, prompts, "a", 90)[1])
    assert (refused.code, refused.status) == ("internal_error", 500)
    assert "secret" not in refused.message
    asked, answer = ask(engine, prompts, "May", 20)
    written = tokens(asked, answer)
    hook.remove()
    assert written == alone(weights, asked)


def test_out_of_memory_writes_fewer_at_once_and_loses_nothing(
    start: Start, prompts: Any, weights: Any
) -> None:
    import torch

    failures = 0

    def fill(_: Any, __: Any, named: dict[str, Any], ___: Any) -> None:
        nonlocal failures
        if named["input_ids"].shape[0] > 2:
            failures += 1
            raise torch.OutOfMemoryError("CUDA out of memory")

    hook = weights.register_forward_hook(fill, with_kwargs=True)
    pairs = []
    engine = start()
    for topic in TOPICS:
        pairs.append(ask(engine, prompts, topic, 30))
        next(pairs[-1][1])
    written = [tokens(*pair) for pair in pairs]
    hook.remove()
    assert failures
    assert written == [alone(weights, asked) for asked, _ in pairs]


def test_what_takes_more_memory_than_there_is_is_refused(
    start: Start, prompts: Any, weights: Any
) -> None:
    def fill(*_: Any) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9")

    engine = start()
    hook = weights.register_forward_hook(fill)
    refused = refusal(ask(engine, prompts, "a")[1])
    hook.remove()
    assert (refused.code, refused.status) == ("out_of_memory", 503)
    assert len(tokens(*ask(engine, prompts, "a"))) == 24


def test_questions_from_many_threads_are_all_answered(start: Start, prompts: Any) -> None:
    engine = start()
    lengths: list[int] = []

    def put(number: int) -> None:
        lengths.append(len(tokens(*ask(engine, prompts, TOPICS[number % 8], 12))))

    threads = [threading.Thread(target=put, args=(number,)) for number in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lengths == [12] * 100
