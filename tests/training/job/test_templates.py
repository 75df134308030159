"""The templates that the job trains with say what the models' own do, and mark what is learned."""

import pytest
import templates
from failure import JobError
from job_runs import JOB
from random_model import random_tokenizer
from transformers import AddedToken, PreTrainedTokenizerFast
from trl.chat_template_utils import phi3_5_chat_template, phi3_chat_template

CHATML = ("<|im_start|>", "<|im_end|>")
PHI = ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>")
FAMILIES = {
    "smollm2": ((JOB / "smollm2.jinja").read_text(), CHATML, "<|im_end|>"),
    "phi-3": (phi3_chat_template, PHI, "<|endoftext|>"),
    "phi-3.5": (phi3_5_chat_template, PHI, "<|endoftext|>"),
    "phi-4-mini": ((JOB / "phi4_mini.jinja").read_text(), PHI, "<|endoftext|>"),
}
TURNS = [
    {"role": "system", "content": "Be kind; {% braces %}."},
    {"role": "user", "content": "  Where to?\n"},
    {"role": "assistant", "content": "To the sea.\n\n- soon "},
    {"role": "user", "content": "And then"},
    {"role": "assistant", "content": " Home?"},
]
CONVERSATIONS = {
    "two turns": TURNS,
    "no system turn": TURNS[1:],
    "one turn": TURNS[:3],
    "ends with a question": TURNS[:4],
    "empty system turn": [{"role": "system", "content": ""}, *TURNS[1:3]],
}


@pytest.fixture(params=FAMILIES, scope="module")
def tokenizer(request: pytest.FixtureRequest) -> PreTrainedTokenizerFast:
    """A small tokenizer with a family's own template and special tokens."""
    template, special, end = FAMILIES[request.param]
    made = random_tokenizer(["Where to? To the sea, soon. And then Home."], size=400)
    made.add_special_tokens({"additional_special_tokens": [AddedToken(t) for t in special]})
    made.eos_token = end
    made.chat_template = template
    return made


@pytest.mark.parametrize("turns", CONVERSATIONS.values(), ids=CONVERSATIONS)
@pytest.mark.parametrize("asks", [False, True], ids=["to learn", "to answer"])
def test_the_marked_template_renders_as_the_stock_one(
    tokenizer: PreTrainedTokenizerFast, turns: list[dict[str, str]], asks: bool
) -> None:
    marked = templates.training_template(tokenizer)
    assert marked != tokenizer.chat_template
    stock = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=asks)
    ours = tokenizer.apply_chat_template(
        turns, chat_template=marked, tokenize=False, add_generation_prompt=asks
    )
    assert ours == stock


def test_all_but_the_assistants_turns_is_masked_and_the_end_of_turn_is_learned(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    marked = templates.training_template(tokenizer)
    batch = tokenizer.apply_chat_template(
        TURNS,
        chat_template=marked,
        tokenize=True,
        return_dict=True,
        return_assistant_tokens_mask=True,
    )
    pairs = list(zip(batch["input_ids"], batch["assistant_masks"], strict=True))
    learned = tokenizer.decode([token for token, said in pairs if said])
    read = tokenizer.decode([token for token, said in pairs if not said])
    end = "<|im_end|>" if "<|im_end|>" in tokenizer.chat_template else "<|end|>"
    assert learned.count(end) == 2
    assert [part.strip() for part in learned.replace("<|endoftext|>", "").split(end)] == [
        "To the sea.\n\n- soon",
        "Home?",
        "",
    ]
    assert "Where to?" in read and "And then" in read and "Be kind" in read
    assert "sea" not in read and "Home" not in read


def test_a_template_without_marks_that_nobody_knows_is_refused(
    tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokenizer, "chat_template", tokenizer.chat_template + " ")
    with pytest.raises(JobError, match=r"generation.*marks") as refusal:
        templates.training_template(tokenizer)
    assert "\n" not in str(refusal.value)


def test_a_template_with_marks_of_its_own_is_taken(
    tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> None:
    marked = templates.training_template(tokenizer)
    monkeypatch.setattr(tokenizer, "chat_template", marked)
    assert templates.training_template(tokenizer) == marked


def test_a_marked_template_that_renders_otherwise_is_refused(
    tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> None:
    stock = tokenizer.chat_template
    marked = templates.training_template(tokenizer)
    monkeypatch.setattr(templates, "_own_templates", lambda: {stock.rstrip("\n"): marked + "!"})
    with pytest.raises(JobError, match="does not render"):
        templates.training_template(tokenizer)
