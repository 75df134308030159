"""Names that somebody else at Azure has: of storage accounts, registries, vaults, AI domains.

Such names are one for all of Azure. Somebody else's resource cannot be seen, only its name: a
document of the state that can be set by hand while the local Azure runs.
"""

from pathlib import Path

from core.errors import SettingsError, UserError
from local.state import State, opened

KIND = "takenName"
GLOBAL_TYPES = (
    "Microsoft.Storage/storageAccounts",
    "Microsoft.ContainerRegistry/registries",
    "Microsoft.KeyVault/vaults",
    "Microsoft.CognitiveServices/accounts",
)


def is_taken(state: State, type: str, name: str) -> bool:
    """Say whether somebody else has a name."""
    return state.get(_key(type, name)) is not None


def take(folder: Path, type: str, name: str) -> str:
    """Let somebody else have a name; gives the type in full.

    Raises:
        SettingsError: names of that type are not one for all of Azure.
    """
    found = _type(type)
    with opened(folder) as state:
        state.put(_key(found, name), KIND, {"type": found, "name": name})
    return found


def free(folder: Path, type: str, name: str) -> None:
    """Let somebody else give a name up.

    Raises:
        UserError: nobody else has it.
    """
    with opened(folder) as state:
        if not state.delete(_key(_type(type), name)):
            raise UserError(f"Nobody else has {name}.", hint="tunestack local name list")


def taken(folder: Path) -> list[tuple[str, str]]:
    """List what somebody else has: (type, name)."""
    with opened(folder) as state:
        return [(row["type"], row["name"]) for _, row in state.within(f"{KIND}:")]


def _type(text: str) -> str:
    """Give a type in full: its last word is enough."""
    for type in GLOBAL_TYPES:
        if text.lower() in (type.lower(), type.rpartition("/")[2].lower()):
            return type
    words = ", ".join(type.rpartition("/")[2] for type in GLOBAL_TYPES)
    raise SettingsError(f"type: {text!r} has no names of its own.", hint=f"One of {words}.")


def _key(type: str, name: str) -> str:
    return f"{KIND}:/{type.replace('/', '.')}/{name.lower()}"
