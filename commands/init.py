"""`tunestack init`."""

import shlex
from typing import Any

import click

from commands import output
from commands.options import json_option, stack_option, yes_option
from commands.session import REHEARSAL

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
@json_option
@yes_option
def init(stack: str, as_json: bool, yes: bool, **flags: Any) -> None:
    """Set a stack up: location, sizes, backend."""
    from core.settings import config_key, parse_settings
    from infra.config import as_config, stack_file, write_settings
    from infra.pulumi_cli.backend import check_backend

    chosen = {config_key(name): value for name, value in flags.items() if value}
    settings = parse_settings(_defaults(stack) | chosen)
    check_backend(settings)
    file = stack_file(stack)
    if file.exists():
        output.confirm(f"{file.name} is there. Overwrite its settings?", yes=yes)
    write_settings(stack, settings)
    document = {"stack": stack, "file": str(file), "config": as_config(settings)}
    output.show(document, as_json, lambda: _render(stack, document))


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
