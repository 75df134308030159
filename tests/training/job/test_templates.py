"""The templates that the job trains with say what the models' own do, and mark what is learned."""

from typing import TYPE_CHECKING

import pytest
from chat_families import FAMILIES, STOCK, TURNS, end_of_turn, tokenizer_of
from failure import JobError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

CONVERSATIONS = {
    "two turns": TURNS,
    "no system turn": TURNS[1:],
    "one turn": TURNS[:3],
    "ends with a question": TURNS[:4],
    "empty system turn": [{"role": "system", "content": ""}, *TURNS[1:3]],
    "two answers in a row": [*TURNS[1:3], TURNS[4]],
}


@pytest.fixture(params=FAMILIES, scope="module")
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def tokenizer(family: str) -> "PreTrainedTokenizerFast":
    return tokenizer_of(family)


def test_all_four_families_are_covered_with_their_revisions() -> None:
    from random_tokenizer import TEMPLATE
    from trl.chat_template_utils import phi3_5_chat_template, phi3_chat_template

    assert {name.partition("_")[0] for name in FAMILIES} == {"phi3", "phi4", "smollm2"}
    assert len(FAMILIES) == 8 and "phi3_5" in FAMILIES
    assert (STOCK / "phi3.jinja").read_text() == phi3_chat_template
    assert TEMPLATE.read_text() == (STOCK / "phi3_5.jinja").read_text() == phi3_5_chat_template


@pytest.mark.parametrize("turns", CONVERSATIONS.values(), ids=CONVERSATIONS)
@pytest.mark.parametrize("asks", [False, True], ids=["to learn", "to answer"])
def test_the_marked_template_renders_as_the_stock_one(
    tokenizer: "PreTrainedTokenizerFast", turns: list[dict[str, str]], asks: bool
) -> None:
    import templates

    marked = templates.training_template(tokenizer)
    assert marked != tokenizer.chat_template
    stock = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=asks)
    ours = tokenizer.apply_chat_template(
        turns, chat_template=marked, tokenize=False, add_generation_prompt=asks
    )
    assert ours == stock


@pytest.mark.parametrize("eats_space", [False, True], ids=["keeps space", "eats space"])
def test_exactly_the_answers_and_their_ends_are_learned(family: str, eats_space: bool) -> None:
    import templates
    from rendering import tokens_of

    if eats_space and family == "smollm2":
        pytest.skip("ChatML's tokens take no white space along")
    tokenizer = tokenizer_of(family, eats_space=eats_space)
    (tokens,) = tokens_of([TURNS], tokenizer, templates.training_template(tokenizer))
    learned = tokenizer.decode(tokens.ids[tokens.learned])
    end = end_of_turn(family)
    answers = [TURNS[2]["content"], TURNS[4]["content"]]
    if eats_space:  # the white space belongs to the role's token, which is given
        answers = [answer.lstrip() for answer in answers]
    assert learned == "".join(answer + end for answer in answers)
    read = tokenizer.decode(tokens.ids[~tokens.learned])
    assert "Where to?" in read and "And then" in read and end in read
    assert "sea" not in read and "Home" not in read


def test_the_mask_is_transformers_own_where_no_token_crosses_a_border(
    tokenizer: "PreTrainedTokenizerFast",
) -> None:
    import templates
    from rendering import tokens_of

    marked = templates.training_template(tokenizer)
    theirs = tokenizer.apply_chat_template(
        TURNS,
        chat_template=marked,
        tokenize=True,
        return_dict=True,
        return_assistant_tokens_mask=True,
    )
    (ours,) = tokens_of([TURNS], tokenizer, marked)
    assert ours.ids.tolist() == theirs["input_ids"]
    assert ours.learned.tolist() == [bool(said) for said in theirs["assistant_masks"]]


def test_a_template_that_only_words_itself_otherwise_is_known(
    tokenizer: "PreTrainedTokenizerFast", monkeypatch: pytest.MonkeyPatch
) -> None:
    import templates

    known = templates.training_template(tokenizer)
    reworded = "{# another revision #}" + tokenizer.chat_template
    monkeypatch.setattr(tokenizer, "chat_template", reworded)
    assert templates.training_template(tokenizer) == known


def test_a_template_without_marks_that_nobody_knows_is_refused(
    tokenizer: "PreTrainedTokenizerFast", monkeypatch: pytest.MonkeyPatch
) -> None:
    import templates

    monkeypatch.setattr(tokenizer, "chat_template", tokenizer.chat_template + " ")
    with pytest.raises(JobError, match=r"generation.*marks") as refusal:
        templates.training_template(tokenizer)
    assert "\n" not in str(refusal.value)
    for name in ("Phi-3,", "Phi-3.5", "Phi-4-mini", "SmolLM2"):
        assert name in str(refusal.value)


def test_a_family_of_trls_table_is_known() -> None:
    import templates
    from trl.chat_template_utils import qwen2_5_chat_template

    tokenizer = tokenizer_of("smollm2")
    tokenizer.chat_template = qwen2_5_chat_template
    assert "endgeneration" in templates.training_template(tokenizer)


def test_a_template_with_marks_of_its_own_is_taken(
    tokenizer: "PreTrainedTokenizerFast", monkeypatch: pytest.MonkeyPatch
) -> None:
    import templates

    marked = templates.training_template(tokenizer)
    monkeypatch.setattr(tokenizer, "chat_template", marked)
    assert templates.training_template(tokenizer) == marked


def test_a_marked_template_that_renders_otherwise_is_not_taken(
    tokenizer: "PreTrainedTokenizerFast", monkeypatch: pytest.MonkeyPatch
) -> None:
    import templates

    marked = templates.training_template(tokenizer)
    monkeypatch.setattr(templates, "_own_templates", lambda: ())
    monkeypatch.setattr(templates, "_known_to_trl", lambda tokenizer: marked + "!")
    with pytest.raises(JobError, match="does not render"):
        templates.training_template(tokenizer)


def test_a_template_that_leaves_the_end_of_a_turn_out_is_refused(
    tokenizer: "PreTrainedTokenizerFast", family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import templates

    end = end_of_turn(family)
    marked = templates.training_template(tokenizer)
    without = marked.replace(f"message['content'] + '{end}' -}}}}", "message['content'] -}}", 1)
    without = without.replace("{%- endgeneration -%}", "{%- endgeneration -%}{{- '" + end + "' -}}")
    assert without != marked
    monkeypatch.setattr(tokenizer, "chat_template", without)
    with pytest.raises(JobError, match="never learn to stop"):
        templates.training_template(tokenizer)
