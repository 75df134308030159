"""A job's command line: `${{inputs.x}}` and `${{outputs.x}}` put in, optional parts left out.

A value always stays one word, also inside the author's own quotes. Azure puts text in as it is;
the difference shows only for values with spaces or quotes.
"""

import re
import shlex
from collections.abc import Mapping
from typing import Any

PLACE = re.compile(r"\$\{\{\s*(inputs|outputs)\.([A-Za-z0-9_.]+)\s*\}\}")
OPTIONAL = re.compile(r"\$\[\[(.*?)\]\]", re.DOTALL)


def findings(command: str, inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> list[str]:
    """List the placeholders that name nothing; those in optional parts may."""
    named = {"inputs": inputs, "outputs": outputs}
    return [
        f"The command names {kind}.{name}, which the job does not have."
        for kind, name in PLACE.findall(OPTIONAL.sub("", command))
        if name not in named[kind]
    ]


def fill(command: str, inputs: Mapping[str, str], outputs: Mapping[str, str]) -> str:
    """Put the values into the command."""
    values = {"inputs": inputs, "outputs": outputs}

    def optional(part: re.Match[str]) -> str:
        is_there = all(name in values[kind] for kind, name in PLACE.findall(part[1]))
        return part[1] if is_there else ""

    text, filled, end = OPTIONAL.sub(optional, command), "", 0
    for place in PLACE.finditer(text):
        filled += text[end : place.start()]
        filled += _word(values[place[1]][place[2]], _open_quote(filled))
        end = place.end()
    return filled + text[end:]


def _word(value: str, quote: str) -> str:
    if quote == "'":
        return value.replace("'", "'\"'\"'")
    if quote == '"':
        return re.sub(r'([\\"$`])', r"\\\1", value)
    return shlex.quote(value) if value else "''"


def _open_quote(text: str) -> str:
    """Say which quote a shell is inside of at the end of `text`, if any."""
    quote, skip = "", False
    for character in text:
        if skip:
            skip = False
        elif character == "\\" and quote != "'":
            skip = True
        elif character == quote:
            quote = ""
        elif not quote and character in "'\"":
            quote = character
    return quote
