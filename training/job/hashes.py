"""What names a content: hashes of files, of folders, and of the program's own folder.

Standard library only and nothing of the job's: the command line's tests compare it with theirs.
"""

import hashlib
from pathlib import Path

CODE = (".py", ".jinja", ".json", ".txt")
"""What the program's folder holds; whatever else lies there came while it ran."""
RECIPE = "recipe.json"


def file_sha256(path: Path) -> str:
    """Hash a file without reading it whole into memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_sha256(folder: Path) -> dict[str, str]:
    """Hash every file of a folder, by its path in it; of a single file, that file."""
    if folder.is_file():
        return {folder.name: file_sha256(folder)}
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in files}


def code_sha256(folder: Path) -> str:
    """Hash the program's folder as the command line did before it sent it, without the recipe."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in CODE and path.name != RECIPE and path.is_file():
            digest.update(f"{path.name}\0{file_sha256(path)}\n".encode())
    return digest.hexdigest()
