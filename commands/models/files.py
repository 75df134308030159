"""`tunestack models download` and `delete`: a model's files brought here, a version taken away."""

import shlex
from pathlib import Path

import click

from commands.jobs.view import naming_stack
from commands.models.handler import model_handler
from commands.options import json_option, stack_option, yes_option
from commands.output import confirm, say, show
from commands.session import Session
from core.errors import SettingsError, UserError
from core.refs import ModelRef
from training.model_files import delete_model, model_folder
from training.model_files import download as fetch
from training.models import find_model


@click.command()
@click.argument("model", metavar="NAME[:VERSION]")
@click.option(
    "--folder", type=click.Path(path_type=Path), default=None,
    help="Where to.  [default: models/<NAME>-<VERSION>]",
)  # fmt: skip
@stack_option
@json_option
def download(model: str, folder: Path | None, stack: str, as_json: bool) -> None:
    """Download a model, each file held to its hash; what is here already is not fetched again."""
    with naming_stack(stack):
        model_handler(Session(stack), ModelRef.parse(model)).download(folder, as_json=as_json)


def download_model(
    session: Session, wanted: ModelRef, folder: Path | None, *, as_json: bool
) -> None:
    """Bring the files of a model of the workspace's registry here."""
    cloud, outputs = session.cloud, session.outputs
    found = find_model(cloud, outputs, wanted)
    folder = folder or Path("models") / f"{found['name']}-{found['version']}"
    source = model_folder(cloud, outputs, found)
    done = fetch(source, folder, lambda name, size: say(f"  {name}  {size:,} bytes"))
    if not done.fetched and not done.kept:
        raise UserError(f"The model {wanted} has no files at {found['path']}.")
    for name in done.unverified:
        say(f"[yellow]{name}: the manifest has no hash of it.[/yellow]")
    document = {"model": f"{found['name']}:{found['version']}", "folder": str(folder), **vars(done)}
    told = f"{len(done.fetched)} files fetched ({done.bytes:,} bytes), {len(done.kept)} were here"
    show(document, as_json, lambda: click.echo(f"{folder}: {told}; hashes are the manifest's."))


@click.command()
@click.argument("model", metavar="NAME:VERSION")
@stack_option
@yes_option
@json_option
def delete(model: str, stack: str, yes: bool, as_json: bool) -> None:
    """Delete a version from the registry; its files stay in its job's output.

    A managed model is deleted for good, with its weights. Refused while a deployment serves it.
    """
    wanted = ModelRef.parse(model)
    if not wanted.version:
        raise SettingsError(
            f"Which version of {wanted.name}? Nothing was deleted.",
            hint=f"tunestack models list --stack {shlex.quote(stack)}; then NAME:VERSION.",
        )
    with naming_stack(stack):
        model_handler(Session(stack), wanted).delete(yes=yes, as_json=as_json)


def delete_version(session: Session, wanted: ModelRef, *, yes: bool, as_json: bool) -> None:
    """Take a version out of the workspace's registry."""
    found = find_model(session.cloud, session.outputs, wanted)
    _refuse_served(session, wanted)
    files = model_folder(session.cloud, session.outputs, found).sizes()
    job = found["tags"].get("job", "")
    say(f"{wanted}: its {len(files)} files ({sum(files.values()):,} bytes) stay at {found['path']}")
    confirm(f"Delete {wanted} from the registry?", yes=yes)
    delete_model(session.cloud, session.outputs, wanted)
    document = {
        "deleted": str(wanted), "job": job, "files_at": found["path"],
        "files_bytes": sum(files.values()),
    }  # fmt: skip
    show(document, as_json, lambda: click.echo(f"Deleted {wanted}"))
    again = f"register {job}"
    if origin := found["tags"].get("exported_from"):
        again = f"export {origin} --to {found['tags']['export']}"
    say(f"Registered again from its job: tunestack models {again} --stack {session.stack}")


def _refuse_served(session: Session, wanted: ModelRef) -> None:
    from deploy.endpoint import find

    endpoint = find(session.cloud, session.outputs)
    serving = [one for one in endpoint.deployments if one.model == str(wanted)] if endpoint else []
    if endpoint and serving:
        names = ", ".join(f"{one.name} ({one.traffic} % of the traffic)" for one in serving)
        raise UserError(
            f"{wanted} is served by {names} on the endpoint {endpoint.ref.name}.",
            hint=f"Deploy another (tunestack deploy) or tunestack undeploy"
            f" --stack {shlex.quote(session.stack)}. Nothing was deleted.",
        )
