"""The flow's one node: asks the online endpoint, the chat so far before the question.

What opens the endpoint is read when the node runs: from a custom connection if the flow names
one, else from the environment variable TUNESTACK_ENDPOINT_KEY, a key or a Microsoft Entra token.
Where the endpoint takes Entra tokens and neither is there, who is signed in (`az login`) gives one.
"""

import os

import requests
from promptflow.connections import CustomConnection
from promptflow.core import tool

VARIABLE = "TUNESTACK_ENDPOINT_KEY"
ML_SCOPE = "https://ml.azure.com/.default"
TIMEOUT = (15, 190)
"""Seconds: to connect, and a little more than an endpoint may take to answer."""


@tool
def integrate_with_promptflow(
    input_data: str,
    chat_history: list,
    scoring_url: str,
    authentication: str,
    system_message: str = "",
    max_tokens: int = 512,
    temperature: float = 0.7,
    connection: CustomConnection = None,
) -> str:
    """Give the model's answer to `input_data`.

    Raises:
        RuntimeError: no key is given, or the endpoint refuses; its reason.
    """
    messages = [{"role": "system", "content": system_message}] if system_message else []
    for turn in chat_history:
        messages.append({"role": "user", "content": turn["inputs"]["input_data"]})
        messages.append({"role": "assistant", "content": turn["outputs"]["answer"]})
    messages.append({"role": "user", "content": input_data})
    answer = requests.post(
        scoring_url,
        json={"messages": messages, "max_tokens": max_tokens, "temperature": temperature},
        headers={"Authorization": f"Bearer {_secret(authentication, connection)}"},
        timeout=TIMEOUT,
    )
    if answer.status_code != 200:
        raise RuntimeError(f"The endpoint refused ({answer.status_code}): {answer.text[:500]}")
    return answer.json()["choices"][0]["message"]["content"]


def _secret(authentication: str, connection: CustomConnection | None) -> str:
    if connection is not None:
        return connection.key
    if given := os.environ.get(VARIABLE, "").strip():
        return given
    if authentication == "entra":
        from azure.identity import DefaultAzureCredential

        return DefaultAzureCredential().get_token(ML_SCOPE).token
    raise RuntimeError(f"{VARIABLE} is not set: it must hold a key of the endpoint.")
