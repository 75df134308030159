"""What Azure said, out of what its provider and its SDK wrap around it."""

import json
import re

QUOTED = re.compile(r'Code="([^"]+)"\s+Message="((?:[^"\\]|\\.)*)"')
"""As azure-native writes most refusals."""

DUMPED = re.compile(r"ERROR CODE: (\S+)")
"""As the Azure SDK for Go writes a response: rules, status, code, body."""

EXISTS = re.compile(r"cannot create already existing (?:sub)?resource ['\"]([^'\"]+)['\"]")
"""As azure-native refuses to create what is there already; it never overwrites."""


def azure_words(text: str) -> str:
    """Give `Code: message` where there is one, else the text in one line."""
    quoted = QUOTED.search(text)
    if quoted:
        return f"{quoted[1]}: {_unescaped(quoted[2])}"
    dumped = DUMPED.search(text)
    if dumped and dumped[1] != "UNAVAILABLE":
        return f"{dumped[1]}: {_message(text)}".removesuffix(": ")
    return " ".join(text.split())


def existing_id(text: str) -> str:
    """Give the id of what a create was refused for; empty where that is not why."""
    found = EXISTS.search(text)
    return found[1] if found else ""


def _message(text: str) -> str:
    try:
        body = json.loads(text[text.index("{") : text.rindex("}") + 1])
    except ValueError:
        return ""
    error = body.get("error") or body
    return str(error.get("message") or "") if isinstance(error, dict) else ""


def _unescaped(text: str) -> str:
    return text.replace('\\"', '"').replace("\\n", " ").strip()
