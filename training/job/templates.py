"""The chat template to train with: the model's own text, with marks round what it has to learn.

Only the marks differ: training and serving render the same text, and the model is saved with its
own template. The marked templates that we know lie beside this file as NAME_training.jinja; one
fits a model if it renders every probe as the model's own does, so that a revision which only
words its template otherwise is known, too. TRL knows more models, by their exact text.
"""

import re
from functools import cache
from pathlib import Path

from conversations import Conversation
from failure import JobError
from jinja2 import TemplateError
from rendering import tokens_of
from transformers import PreTrainedTokenizerBase

HERE = Path(__file__).parent

FAMILIES = "Phi-3, Phi-3.5, Phi-4-mini, SmolLM2"

PROBE = [
    {"role": "system", "content": "Be brief; {% mind %} {{ braces }}."},
    {"role": "user", "content": " Two words?\n"},
    {"role": "assistant", "content": "Like these. "},
    {"role": "user", "content": "One\nmore"},
    {"role": "assistant", "content": " Here:\n\n- it is"},
]
"""A conversation that shows whether two templates render alike, white space included."""
PROBES = (PROBE, PROBE[1:], PROBE[:3], PROBE[1:3], [{"role": "system", "content": ""}, *PROBE[1:]])
"""With and without a system turn, an empty one, and one or two answers."""


def training_template(tokenizer: PreTrainedTokenizerBase) -> str:
    """Give the marked form of a tokenizer's chat template.

    Raises:
        JobError: there is none, it renders another text, or it leaves out the token that ends a
            turn, so that the model would never learn to stop.
    """
    stock = tokenizer.chat_template
    if not isinstance(stock, str):
        raise JobError("the base model has no chat template of its own")
    template = stock if _has_marks(stock) else _marked(tokenizer)
    if not _renders_alike(tokenizer, template):
        raise JobError("the marked chat template does not render as the model's own does")
    if not _teaches_to_stop(tokenizer, template):
        raise JobError(
            "the marked chat template leaves out the token that ends an assistant's turn:"
            " the model would never learn to stop"
        )
    return template


def _has_marks(template: str) -> bool:
    return re.search(r"\{%[-+]?\s*generation\s*[-+]?%\}", template) is not None


def _marked(tokenizer: PreTrainedTokenizerBase) -> str:
    for template in _own_templates():
        if _renders_alike(tokenizer, template):
            return template
    if template := _known_to_trl(tokenizer):
        return template
    raise JobError(
        "the base model's chat template has no {% generation %} marks and no marked form of it is"
        " known, so the assistant's turns cannot be told from the rest. Known are those of"
        f" {FAMILIES} and TRL's table: put the marks into the base model's template, or a"
        " NAME_training.jinja that renders as it does into training/job/"
    )


@cache
def _own_templates() -> tuple[str, ...]:
    """Read the marked templates that lie beside this file."""
    return tuple(path.read_text(encoding="utf-8") for path in sorted(HERE.glob("*_training.jinja")))


def _known_to_trl(tokenizer: PreTrainedTokenizerBase) -> str | None:
    """Look the template up in TRL's table; a preview may do without TRL."""
    try:
        from trl.chat_template_utils import get_training_chat_template
    except ImportError:
        return None
    try:
        found: str | None = get_training_chat_template(tokenizer)
    except ValueError:
        return None
    return found


def _renders_alike(tokenizer: PreTrainedTokenizerBase, template: str) -> bool:
    return all(
        _render(tokenizer, talk, template) == _render(tokenizer, talk, None) for talk in PROBES
    )


def _render(
    tokenizer: PreTrainedTokenizerBase, conversation: Conversation, template: str | None
) -> tuple[str, str] | str:
    """Render a conversation as one to learn from, and its beginning as one to answer.

    Where a template refuses it, so must the other one.
    """
    try:
        whole = tokenizer.apply_chat_template(conversation, chat_template=template, tokenize=False)
        asked = tokenizer.apply_chat_template(
            conversation[:-1], chat_template=template, tokenize=False, add_generation_prompt=True
        )
    except TemplateError:
        return "refused"
    return str(whole), str(asked)


def _teaches_to_stop(tokenizer: PreTrainedTokenizerBase, template: str) -> bool:
    """Tell whether the last token of an answer that is learned is one of the added vocabulary.

    A turn ends with such a token, such as `<|end|>`; white space after it does not count. The
    answer is followed by a question, since some templates end the last answer otherwise.
    """
    (tokens,) = tokens_of([PROBE[1:4]], tokenizer, template)
    said = [int(token) for token in tokens.ids[tokens.learned]]
    words = [token for token in said if tokenizer.decode([token]).strip()]
    return bool(words) and words[-1] in tokenizer.get_added_vocab().values()
