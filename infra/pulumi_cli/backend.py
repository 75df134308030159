"""Where Pulumi keeps the state and what encrypts it: checked before anything is sent."""

import os
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from core.errors import PrerequisiteError
from core.settings import Settings

BLOB_ROLE = "Storage Blob Data Contributor"


def backend_url(settings: Settings) -> str:
    """Give the backend: the stack's, else the environment's; empty is where `pulumi login` says."""
    return settings.backend or os.environ.get("PULUMI_BACKEND_URL", "")


def state_folder(backend: str) -> Path | None:
    """Give the folder in which a file backend keeps states; None for any other backend."""
    if not backend.startswith("file://"):
        return None
    address = backend.replace("file://~", f"file://{Path.home()}", 1)
    return Path(unquote(urlsplit(address).path)) / ".pulumi"


def check_backend(settings: Settings) -> None:
    """Refuse a backend that cannot work from here, with what it lacks.

    Whether anybody is signed in to Pulumi Cloud is Pulumi's to say: its tokens are not ours to
    read.

    Raises:
        PrerequisiteError: the blob's storage account is not named.
    """
    url = urlsplit(backend_url(settings))
    if url.scheme != "azblob" or os.environ.get("AZURE_STORAGE_ACCOUNT"):
        return
    if not parse_qs(url.query).get("storage_account"):
        raise PrerequisiteError(
            f"azblob://{url.netloc}: names no storage account to keep the state in.",
            hint=f"azblob://{url.netloc}?storage_account=NAME (or export AZURE_STORAGE_ACCOUNT);"
            f" it is reached as you are signed in (az login), with the role {BLOB_ROLE}.",
        )


def own_secrets_provider(settings: Settings) -> str:
    """Give what Pulumi's own key `secretsprovider` says of a new stack; empty: no such key.

    Pulumi writes it for keys in a vault alone; a passphrase shows as `encryptionsalt`, which
    it makes itself.
    """
    return settings.secrets_provider if "://" in settings.secrets_provider else ""
