"""A side at an OpenAI-compatible address: `https://…/v1`, with `#MODEL` where it has several.

Its key comes from TUNESTACK_API_KEY. `tunestack serve` is such an address, and so are vLLM's.
"""

import ipaddress
import os
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from commands.evaluate.asked import Asked
from commands.evaluate.sides.places import live
from core.errors import CloudError, SettingsError
from core.refs import EndpointRef
from deploy.access import Access
from evaluation.sides import Side

KEY = "TUNESTACK_API_KEY"
LOOK_SECONDS = 15
COMPLETIONS = "/chat/completions"
TELLING = ("root", "owned_by", "deployment", "model")
"""What servers say of a model besides its id; when it was made changes with every start."""


def address_side(name: str) -> Asked:
    """Look an address up, and the model that is asked there.

    Raises:
        SettingsError: it is no such address, the key would go in clear, or the model is not named.
        CloudError: nothing answers there.
    """
    url, _, wanted = name.partition("#")
    url = _checked(url)
    key = os.environ.get(KEY, "")
    listed = _listed(url, key)
    model = wanted or _only(url, listed)
    if listed and model not in listed:
        raise SettingsError(f"{url} has no model {model}; it has {', '.join(sorted(listed))}.")
    told = {field: str(listed[model][field]) for field in TELLING if model in listed
            and listed[model].get(field)}  # fmt: skip
    side = Side(
        name=name,
        model=model,
        where="endpoint",
        identity={"url": url, "asked": model, **told},
    )
    ref = EndpointRef(name=urlsplit(url).netloc, scoring_url=url + COMPLETIONS, deployment=model)
    secret = SecretStr(key or "none")
    return Asked(side, live(lambda: Access(ref, lambda: secret, {"model": model}, answers=model)))


def _checked(url: str) -> str:
    """Give the address in one way of writing.

    Raises:
        SettingsError: it holds a secret, or would take one in clear.
    """
    parts = urlsplit(url)
    if not parts.hostname or parts.query:
        raise SettingsError(f"{parts.scheme}://{parts.netloc}{parts.path} is no base address.",
                            hint="As OpenAI's clients take it: https://HOST/v1")  # fmt: skip
    if parts.username is not None:
        raise SettingsError(
            "An address with a user or a password in it would be written into every report.",
            hint=f"Leave them out; the key is read from {KEY}.",
        )
    if parts.scheme == "http" and os.environ.get(KEY) and not _is_here(parts.hostname):
        raise SettingsError(
            f"{KEY} would go to {parts.hostname} unencrypted.", hint="Use https, or unset it."
        )
    return url.rstrip("/").removesuffix(COMPLETIONS)


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listed(url: str, key: str) -> dict[str, dict[str, Any]]:
    """Ask which models there are; nothing where the server does not say.

    Raises:
        SettingsError: it refuses the key.
        CloudError: nothing answers there.
    """
    import httpx

    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        with httpx.Client(timeout=LOOK_SECONDS, trust_env=True) as client:
            answer = client.get(f"{url}/models", headers=headers)
    except httpx.HTTPError as error:
        raise CloudError(
            f"{url} cannot be reached: {error or type(error).__name__}",
            hint="The address is the one that OpenAI's clients take; does the server run?",
        ) from error
    if answer.status_code in (401, 403):
        raise SettingsError(
            f"{url} refuses the key ({answer.status_code}).", hint=f"export {KEY}=…"
        )
    return _models(answer) if answer.status_code == 200 else {}


def _models(answer: Any) -> dict[str, dict[str, Any]]:
    try:
        rows = answer.json()["data"]
        return {str(row["id"]): row for row in rows if isinstance(row, dict) and row.get("id")}
    except (ValueError, LookupError, TypeError):
        return {}


def _only(url: str, listed: dict[str, dict[str, Any]]) -> str:
    if len(listed) == 1:
        return next(iter(listed))
    known = f"it has {', '.join(sorted(listed))}" if listed else "it does not list them"
    raise SettingsError(
        f"{url}: which model is asked? {known[0].upper()}{known[1:]}.", hint=f"{url}#MODEL"
    )
