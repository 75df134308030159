"""`tunestack init`."""

import shlex
from typing import Any

import click

from commands import output
from commands.options import json_option, stack_option, yes_option
from commands.session import REHEARSAL
from core.errors import SettingsError

FILE_BACKEND = "file://~"
"""Pulumi's state in the person's own folder: no account, no login."""


@click.command()
@stack_option
@click.option("--location", help="Azure region of every resource.  [default: eastus2]")
@click.option("--compute", help="gpu or cpu.  [default: gpu]")
@click.option("--vm-size", help="Cluster VM size.  [default: by --compute]")
@click.option("--max-nodes", help="Most cluster nodes.  [default: 1]")
@click.option("--idle-seconds", help="Until an idle node is given back.  [default: 120]")
@click.option("--endpoint-vm-size", help="VM size of deployments.  [default: by --compute]")
@click.option("--person-type", help="User or ServicePrincipal (CI).  [default: User]")
@click.option("--purge-protection", help="true: nobody can purge the vault.  [default: false]")
@click.option("--generation", help="Raise it when soft delete holds a name.  [default: 1]")
@click.option(
    "--backend",
    help="Where Pulumi keeps the state: file://FOLDER, azblob://CONTAINER?storage_account=NAME,"
    f" https://api.pulumi.com.  [default: {FILE_BACKEND}]",
)
@click.option("--secrets-provider", help="passphrase or azurekeyvault://…  [default: by --backend]")
@click.option("--adopt-group", help="Work in this resource group; it is never deleted.")
@click.option("--adopt-workspace", help="Train in this workspace of it; it is never deleted.")
@click.option("--expires", help="Last day of the stack, e.g. 2026-12-31.  [default: none]")
@click.option("--tag", "tags", multiple=True, metavar="NAME=VALUE", help="May be repeated.")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE",
    help="Any other setting of docs/settings.md: hub=true, budget=200. May be repeated.",
)  # fmt: skip
@json_option
@yes_option
def init(stack: str, as_json: bool, yes: bool, settings: tuple[str, ...], **flags: Any) -> None:
    """Set a stack up: location, sizes, backend."""
    from core.settings import config_key, parse_settings
    from infra.config import as_config, stack_file, write_settings
    from infra.pulumi_cli.backend import check_backend

    flagged = {config_key(name): value for name, value in flags.items() if value}
    chosen = parse_settings(_defaults(stack) | _pairs(settings) | flagged)
    check_backend(chosen)
    file = stack_file(stack)
    if file.exists():
        output.confirm(f"{file.name} is there. Overwrite its settings?", yes=yes)
    write_settings(stack, chosen)
    document = {"stack": stack, "file": str(file), "config": as_config(chosen)}
    output.show(document, as_json, lambda: _render(stack, document))


def _pairs(settings: tuple[str, ...]) -> dict[str, str]:
    """Take `--set` apart."""
    pairs = [text.partition("=") for text in settings]
    wrong = [key for key, equals, _ in pairs if not (key and equals)]
    if wrong:
        raise SettingsError(f"--set {', '.join(wrong)}: not KEY=VALUE; for example --set hub=true")
    return {key: value for key, _, value in pairs}


def _defaults(stack: str) -> dict[str, str]:
    """Give what a new stack has where no flag says otherwise."""
    if stack == REHEARSAL:
        return {"personType": "ServicePrincipal"}
    return {"backend": FILE_BACKEND}


def _render(stack: str, document: dict[str, Any]) -> None:
    click.echo(f"Wrote {document['file']}:")
    for key, value in document["config"].items():
        click.echo(f"  {key}: {value}")
    backend = document["config"].get("tunestack:backend")
    if backend:
        click.echo("Plain pulumi finds the same stack with:")
        click.echo(f"  {plain_pulumi(backend)}")
    click.echo(f"Next: tunestack plan --stack {stack}")


def plain_pulumi(backend: str) -> str:
    """Write what plain pulumi needs; a question mark in an address is the shell's otherwise."""
    address = shlex.quote(backend) if "?" in backend else backend
    login = f"export PULUMI_BACKEND_URL={address}"
    return login if backend.startswith("https://") else f"{login} PULUMI_CONFIG_PASSPHRASE="
