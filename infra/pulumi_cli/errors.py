"""Pulumi's failures, in our words and with what to do."""

import re

from core.azure_errors import AGAIN
from core.errors import CloudError, PrerequisiteError, UserError

NO_LOGIN = re.compile(r"PULUMI_ACCESS_TOKEN must be set|no credentials|invalid access token", re.I)
NO_PASSPHRASE = re.compile(r"incorrect passphrase|passphrase must be set|invalid passphrase", re.I)
NO_STORE = re.compile(r"unable to open bucket|could not list bucket|blob \(key|azblob", re.I)


def known_failure(text: str, stack: str) -> UserError | None:
    """Give the error for what a person must put right outside the program; None for others."""
    if NO_PASSPHRASE.search(text):
        return PrerequisiteError(
            f"The state of {stack} is encrypted with another passphrase than the one given.",
            hint="export PULUMI_CONFIG_PASSPHRASE=… (or PULUMI_CONFIG_PASSPHRASE_FILE), the one"
            f" that {stack} was made with.",
        )
    if NO_LOGIN.search(text):
        return PrerequisiteError(
            "Nobody is signed in to Pulumi Cloud, where this stack's state is.",
            hint="export PULUMI_ACCESS_TOKEN=…, or pulumi login; or keep the state elsewhere:"
            f" tunestack init --stack {stack} --backend file://~",
        )
    if NO_STORE.search(text):
        return PrerequisiteError(
            f"The place of the state of {stack} cannot be used: {said(text)}",
            hint="A folder must exist; azblob://CONTAINER?storage_account=NAME takes az login and"
            " the role Storage Blob Data Contributor on that account.",
        )
    return None


def held(stack: str, owners: str, url: str) -> PrerequisiteError:
    """Give the error for a stack that another run works on."""
    login = f"PULUMI_BACKEND_URL={url} " if url else ""
    return PrerequisiteError(
        f"The stack {stack} is held by {owners or 'another Pulumi run'}.",
        hint=f"Wait for it; if it was killed: {login}pulumi cancel -s {stack}",
    )


def failed(name: str, stack: str, said: str) -> CloudError:
    """Give the error for what Azure, or the engine, refused."""
    again = f"tunestack {name} --stack {stack} goes on from here."
    hint = f"Run it again: {again}" if name in ("up", "destroy") else AGAIN
    return CloudError(
        f"Pulumi could not {name} {stack}: {said}",
        hint=hint,
        operation=name,
    )


def said(text: str) -> str:
    """Take what Pulumi wrote as its error out of the Automation API's report of a run."""
    words = text.partition("stderr:")[2].strip().removeprefix("error: ")
    killed = re.search(r"code: -(\d+)", text)
    return words or (f"it was killed by signal {killed[1]}." if killed else text.strip())
