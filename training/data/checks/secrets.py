"""Keys, tokens and passwords in a message, as detect-secrets knows them.

Its detectors that go by a known form are used, those that guess by the randomness of a text are
not. Forms that its last release lacks are added in its own terms.
"""

from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import Any

_DETECTORS = {
    "aws": "AWSKeyDetector",
    "azure_storage_key": "AzureStorageKeyDetector",
    "basic_auth": "BasicAuthDetector",
    "discord": "DiscordBotTokenDetector",
    "github_token": "GitHubTokenDetector",
    "gitlab_token": "GitLabTokenDetector",
    "jwt": "JwtTokenDetector",
    "mailchimp": "MailchimpDetector",
    "npm": "NpmDetector",
    "openai": "OpenAIDetector",
    "private_key": "PrivateKeyDetector",
    "pypi_token": "PypiTokenDetector",
    "sendgrid": "SendGridDetector",
    "slack": "SlackDetector",
    "square_oauth": "SquareOAuthDetector",
    "stripe": "StripeDetector",
    "telegram_token": "TelegramBotTokenDetector",
    "twilio": "TwilioKeyDetector",
}
"""Module of detect_secrets.plugins and its class. Artifactory's is left out: its form is words."""

_NEWER = {
    "Anthropic key": r"\bsk-ant-[A-Za-z0-9_-]{32,}",
    "Azure shared access signature": r"[?&]sig=[A-Za-z0-9%/+]{40,}(?:%3[dD]|=)",
    "GitHub fine-grained token": r"\bgithub_pat_[A-Za-z0-9_]{60,}",
    "Google API key": r"\bAIza[0-9A-Za-z_-]{35}",
    "Hugging Face token": r"\bhf_[A-Za-z]{34}\b",
    "OpenAI project key": r"\bsk-(?:proj|svcacct|admin)-[A-Za-z0-9_-]{40,}",
}


class Secrets:
    """Asks every detector about a message that has the beginning of a secret."""

    # The fixed part of every form above; the rest by their length.
    trigger = (
        r"A3T[A-Z0-9]|ABIA|ACCA|AKIA|ASIA|(?i:aws.{0,20}['\"][0-9a-zA-Z/+]{40})|AccountKey="
        r"|://[^/\s]{1,200}@|[MNO][\w-]{23,25}\.[\w-]{6}\.|gh[opusr]_|github_pat_"
        r"|gl[a-z]{2,5}-[\w-]{20}|GR1348941|eyJ[\w-]{8}|-us\d|:_authToken|sk-[\w-]{20}|PRIVATE KEY"
        r"|BEGIN PGP|pypi-AgE|SG\.[\w-]{22}|(?i:xox[abposr]-)|(?i:hooks\.slack\.com)|sq0csp-"
        r"|k_live_|\d{8,10}:[\w-]{35}|\b(?:AC|SK)[a-z0-9]{32}|AIza|hf_[A-Za-z]{34}|[?&]sig="
        r"|ssh-ed25519|PuTTY-User-Key"
    )

    def find(self, place: str, role: str, text: str) -> Iterator[tuple[str, str]]:
        """Yield each kind of secret that a message holds."""
        for detector in _detectors():
            if any(detector.analyze_string(text)):
                kind = detector.secret_type
                yield "secrets.key", f"holds what looks like a secret: {kind}"

    def end(self) -> Iterator[tuple[str, str]]:
        """Yield nothing: each was said where it stands."""
        yield from ()


@cache
def _detectors() -> list[Any]:
    """Make the detectors; importing them takes a fifth of a second."""
    made = [
        getattr(import_module(f"detect_secrets.plugins.{module}"), name)()
        for module, name in _DETECTORS.items()
    ]
    return [*made, *(_newer(kind, form) for kind, form in _NEWER.items())]


def _newer(kind: str, form: str) -> Any:
    import re

    from detect_secrets.plugins.base import RegexBasedDetector

    members = {"secret_type": kind, "denylist": [re.compile(form)]}
    return type("Newer", (RegexBasedDetector,), members)()
