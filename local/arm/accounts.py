"""AI accounts (Azure AI services, Azure OpenAI): made, deleted, held for 48 hours, restored.

The refusal of a held name is as reported in Azure/azure-cli#18146, that of an account with
projects in Azure/terraform-provider-azapi#894. Deployments, files and tuned models go with their
account and do not come back with it: what Azure restores of them is not known.
"""

from local.ai.records import forget_account
from local.arm.ai_projects import PROJECTS, make_system_policies
from local.arm.holds import Hold, find_held
from local.arm.types import ResourceType, guid, keep, now
from local.names import is_taken
from local.operations import Call, Refusal
from local.state import Document
from local.world import World

ACCOUNTS = "Microsoft.CognitiveServices/accounts"
KINDS = ("AIServices", "OpenAI")
HOURS = 48


def _account(call: Call, document: Document, before: Document | None) -> None:
    if document["kind"] not in KINDS:
        raise Refusal(
            400, "InvalidApiKind", f"Accounts of kind '{document['kind']}' are not played here."
        )
    properties = document["properties"]
    properties.pop("restore", None)
    domain = str(properties.get("customSubDomainName") or "").lower()
    _check_domain(call, document, domain)
    host = f"{domain}.cognitiveservices" if domain else f"{document['location']}.api.cognitive"
    keep(document, before, dateCreated=now, internalId=lambda: guid().replace("-", ""))
    properties["endpoint"] = f"https://{host}.{'azure' if domain else 'microsoft'}.com/"
    make_system_policies(call.world.state, document["id"])


def _check_domain(call: Call, document: Document, domain: str) -> None:
    if not domain:
        return
    state = call.world.state
    others = [one for id, one in state.find(ACCOUNTS) if id.lower() != document["id"].lower()]
    domains = {str(one["properties"].get("customSubDomainName") or "").lower() for one in others}
    if domain in domains or is_taken(state, ACCOUNTS, domain):
        raise Refusal(
            409,
            "CustomDomainInUse",
            "Please pick a different name. The subdomain name"
            f" '{domain}' is not available as it's already used by a resource.",
        )


def _meet(call: Call, asked: Document) -> Document | None:
    """Refuse a held name, or give the account back where the request says `restore`."""
    held = find_held(call.world.state, ACCOUNTS, asked["id"])
    if held is not None and asked["properties"].get("restore") is not True:
        raise Refusal(
            409,
            "FlagMustBeSetForRestore",
            f"An existing resource with ID '{held.id}' has been soft-deleted. To restore the"
            " resource, you must specify 'restore' to be 'true' in the property. If you don't"
            " want to restore existing resource, please purge it first.",
        )
    return held.resource if held else None


def _empty(world: World, account: Document) -> None:
    """End what runs in an account that goes, deployments and trainings, and drop what it keeps."""
    forget_account(world, account["id"])  # first: else the next job in the queue would start
    world.processes.end_below(account["id"])


ACCOUNT = ResourceType(
    f"{ACCOUNTS}/{{name}}",
    "[a-zA-Z0-9][a-zA-Z0-9_.-]{1,63}",
    required=("kind", "sku.name", "location"),
    polls=1,
    delete_polls=1,
    busy_error="RequestConflict",
    fixed=("kind",),
    nested=(PROJECTS,),
    complete=_account,
    before_delete=_empty,
    hold=Hold(lambda account: HOURS / 24, _meet),
    note="AIServices and OpenAI; not deleted while it has projects; held 48 hours after deletion;"
    " properties.restore; deployments, files and models go with it",
)
