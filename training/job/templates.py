"""The chat template to train with: the model's own text, with marks round what it has to learn.

Only the marks differ: training and serving render the same text, and the model is saved with its
own template. TRL knows the marked form of many templates by their exact text; the ones that it
lacks are beside this file, as NAME.jinja (the model's own) and NAME_training.jinja (marked).
"""

from pathlib import Path

from failure import JobError
from transformers import PreTrainedTokenizerBase
from trl.chat_template_utils import (
    get_training_chat_template,
    has_generation_markers,
    is_chat_template_stop_token_trained,
)

HERE = Path(__file__).parent

PROBE = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": " Two words?\n"},
    {"role": "assistant", "content": "Like these. "},
    {"role": "user", "content": "One\nmore"},
    {"role": "assistant", "content": " Here:\n\n- it is"},
]
"""A conversation that shows whether two templates render alike, white space included."""


def training_template(tokenizer: PreTrainedTokenizerBase) -> str:
    """Give the marked form of a tokenizer's chat template.

    Raises:
        JobError: there is none, it renders another text, or it leaves out the token that ends a
            turn, so that the model would never learn to stop.
    """
    template = _marked(tokenizer)
    for conversation in (PROBE, PROBE[1:]):
        if _render(tokenizer, conversation, template) != _render(tokenizer, conversation, None):
            raise JobError("the marked chat template does not render as the model's own does")
    if not is_chat_template_stop_token_trained(tokenizer, chat_template=template):
        raise JobError(
            "the marked chat template leaves out the token that ends an assistant's turn:"
            " the model would never learn to stop"
        )
    return template


def _marked(tokenizer: PreTrainedTokenizerBase) -> str:
    stock = tokenizer.chat_template
    if not isinstance(stock, str):
        raise JobError("the base model has no chat template of its own")
    if has_generation_markers(stock):
        return stock
    if ours := _own_templates().get(stock.rstrip("\n")):
        return ours
    try:
        known = get_training_chat_template(tokenizer)
    except ValueError as error:
        raise JobError(
            "the base model's chat template has no {% generation %} marks and no marked form of"
            " it is known, so the assistant's turns cannot be told from the rest: put the marks"
            " into the base model's template, or add NAME.jinja and NAME_training.jinja to"
            " training/job/"
        ) from error
    return known or stock


def _own_templates() -> dict[str, str]:
    """Map each template that lies beside this file to its marked form."""
    marked = HERE.glob("*_training.jinja")
    return {
        (HERE / path.name.replace("_training", ""))
        .read_text(encoding="utf-8")
        .rstrip("\n"): path.read_text(encoding="utf-8")
        for path in marked
    }


def _render(
    tokenizer: PreTrainedTokenizerBase, conversation: list[dict[str, str]], template: str | None
) -> tuple[str, str]:
    """Render a conversation as one to learn from, and its beginning as one to answer."""
    whole = tokenizer.apply_chat_template(conversation, chat_template=template, tokenize=False)
    asked = tokenizer.apply_chat_template(
        conversation[:-1], chat_template=template, tokenize=False, add_generation_prompt=True
    )
    return str(whole), str(asked)
