"""What Azure's built-in policies would say of a stack, and what docs/security.md says to that.

`PYTHONPATH=. python tests/infra/azure_policies.py` prints the rows of the table as they should be,
those without a reason last.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fidelity import ROOT, VARIANTS, as_templates, sent, shared_azure

PAGE = ROOT / "docs" / "security.md"
ALWAYS = "always"

Finding = tuple[str, str]
"""A policy's name and a resource type, without `Microsoft.`."""


def occurrences(folder: Path) -> dict[Finding, str]:
    """Say of each finding when it is made, over every variant of the settings."""
    types: list[set[str]] = []
    found: list[set[Finding]] = []
    for chosen in VARIANTS:
        rows = as_templates(sent((chosen,)))
        types.append({_short(row["type"]) for row in rows})
        found.append({(item["policy"], _short(item["type"])) for item in findings(folder, rows)})
    return {finding: _when(finding, types, found) for finding in set().union(*found)}


def findings(folder: Path, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Run check_policy.py over bodies; give what does not comply."""
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "bodies.json"
        file.write_text(json.dumps(rows))
        done = subprocess.run(
            [sys.executable, str(folder / "check_policy.py"), "--json", str(file)],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode in (0, 1), done.stderr
    return [item for item in json.loads(done.stdout) if item["status"] == "noncompliant"]


def listed(page: str) -> dict[Finding, tuple[str, str]]:
    """Read the table: when each finding is made, and why it stays; a row may name several."""
    rows = {}
    table = page.partition("| policy |")[2].partition("\n\n")[0]
    for line in table.splitlines()[2:]:
        policies, types, when, reason = (cell.strip() for cell in line.strip("|").split("|"))
        for policy in policies.split("<br>"):
            for kind in types.split("<br>"):
                rows[policy.strip(), kind.strip("` ")] = (when, reason)
    return rows


def _when(finding: Finding, types: Iterable[set[str]], found: Iterable[set[Finding]]) -> str:
    """Name the settings with which a finding is not made, though its resource is there."""
    silent = {
        _asked(chosen)
        for chosen, kinds, made in zip(VARIANTS, types, found, strict=True)
        if finding[1] in kinds and finding not in made
    }
    least = [one for one in silent if not any(other < one for other in silent)]
    ways = sorted(" + ".join(f"`{name}`" for name in sorted(one)) for one in least)
    return f"not with {', '.join(ways)}" if ways else ALWAYS


def _asked(chosen: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(name for name, value in chosen.items() if value is True)


def _short(type: str) -> str:
    return re.sub(r"^Microsoft\.", "", type, flags=re.IGNORECASE)


def main() -> None:
    """Print the table's rows."""
    folder = shared_azure()
    if folder is None:
        raise SystemExit("Azure's policies are not here.")
    known = listed(PAGE.read_text(encoding="utf-8")) if PAGE.is_file() else {}
    rows = occurrences(folder)
    for policy, kind in sorted(rows, key=lambda row: (row not in known, row[1], row[0])):
        reason = known.get((policy, kind), ("", "TODO"))[1]
        print(f"| {policy} | `{kind}` | {rows[policy, kind]} | {reason} |")
    for policy, kind in sorted(set(known) - set(rows)):
        print(f"no longer said: {policy} ({kind})")


if __name__ == "__main__":
    main()
