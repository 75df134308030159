"""The fingerprint of a chat template: what training and serving must agree on.

Standard library only: this very file is copied into the uploads of the job and of the
deployment, so that both sides compute the same thing.
"""

import hashlib
import json

SPECIAL_TOKENS = ("bos_token", "eos_token", "pad_token", "unk_token")


def template_fingerprint(chat_template: str, special_tokens: dict[str, str | None]) -> str:
    """Hash a chat template and its special tokens to 16 hexadecimal digits.

    `special_tokens` maps names such as `eos_token` to their text; names outside
    `SPECIAL_TOKENS` are ignored, missing ones count as absent.
    """
    agreed = {name: special_tokens.get(name) for name in SPECIAL_TOKENS}
    text = json.dumps([chat_template, agreed], ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
