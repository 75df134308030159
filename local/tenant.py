"""Who lives in a local Azure: one tenant, one subscription, one person, and their secrets.

All of it is random per world and kept in one file that only the owner may read. The person is a
service principal, because a program signs in as one without a browser.
"""

import json
import os
import secrets
import uuid
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

FILE = "tenant.json"


@dataclass(frozen=True)
class Tenant:
    """The identifiers and secrets of one local Azure."""

    tenant_id: str
    subscription_id: str
    person_client_id: str
    person_object_id: str
    person_secret: str
    signing_key: str
    """Signs tokens and shared access signatures."""
    proxy_password: str

    @property
    def subscription(self) -> str:
        """The subscription's resource id."""
        return f"/subscriptions/{self.subscription_id}"


@lru_cache
def tenant(folder: Path) -> Tenant:
    """Read the tenant of the world in `folder`, making it up at the first call."""
    path = folder / FILE
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_private(path, json.dumps(asdict(_invent()), indent=1))
    return Tenant(**json.loads(path.read_text()))


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, in one step."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    draft.replace(path)


def _invent() -> Tenant:
    return Tenant(
        tenant_id=str(uuid.uuid4()),
        subscription_id=str(uuid.uuid4()),
        person_client_id=str(uuid.uuid4()),
        person_object_id=str(uuid.uuid4()),
        person_secret=secrets.token_urlsafe(30),
        signing_key=secrets.token_hex(32),
        proxy_password=secrets.token_urlsafe(24),
    )
