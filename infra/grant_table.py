"""Every grant of a stack with its reason: data that `plan` prints and the program makes."""

from collections.abc import Set as AbstractSet

from infra.roles import Grant, Role, Scope, Who

GRANTS = (
    Grant(
        Who.ENDPOINT,
        Role.CONTRIBUTOR,
        Scope.GROUP,
        "asked for; serving a model would do with the two grants below",
    ),
    Grant(
        Who.ENDPOINT,
        Role.BLOB_READER,
        Scope.STORAGE,
        "reads the model's files when a deployment starts",
    ),
    Grant(
        Who.ENDPOINT,
        Role.ACR_PULL,
        Scope.REGISTRY,
        "pulls the image that a deployment runs, also without the Contributor above",
    ),
    Grant(
        Who.JOB,
        Role.BLOB_CONTRIBUTOR,
        Scope.STORAGE,
        "reads the training data, writes checkpoints and the tuned model",
    ),
    Grant(Who.JOB, Role.ACR_PULL, Scope.REGISTRY, "pulls the image that training runs in"),
    Grant(
        Who.JOB,
        Role.DATA_SCIENTIST,
        Scope.WORKSPACE,
        "logs metrics and its run's state to the workspace",
    ),
    Grant(
        Who.WORKSPACE,
        Role.CONTRIBUTOR,
        Scope.STORAGE,
        "the workspace keeps its datastores' containers there",
    ),
    Grant(
        Who.WORKSPACE,
        Role.BLOB_CONTRIBUTOR,
        Scope.STORAGE,
        "writes code snapshots and logs without account keys",
    ),
    Grant(Who.WORKSPACE, Role.CONTRIBUTOR, Scope.VAULT, "ties the vault to the workspace"),
    Grant(
        Who.WORKSPACE,
        Role.VAULT_ADMINISTRATOR,
        Scope.VAULT,
        "keeps endpoint keys and connections as secrets",
    ),
    Grant(Who.WORKSPACE, Role.CONTRIBUTOR, Scope.REGISTRY, "builds and pushes environment images"),
    Grant(Who.WORKSPACE, Role.CONTRIBUTOR, Scope.INSIGHTS, "sends the endpoints' logs and metrics"),
    Grant(
        Who.WORKSPACE,
        Role.CONTRIBUTOR,
        Scope.WORKSPACE,
        "a workspace whose identity is ours manages itself through it",
    ),
    Grant(
        Who.PERSON,
        Role.BLOB_CONTRIBUTOR,
        Scope.STORAGE,
        "uploads data and code, downloads results; there are no account keys to use instead",
    ),
)

AI_GRANTS = (
    Grant(
        Who.HUB,
        Role.CONTRIBUTOR,
        Scope.STORAGE,
        "hub and project keep their datastores' containers there",
        "hub",
    ),
    Grant(
        Who.HUB,
        Role.BLOB_CONTRIBUTOR,
        Scope.STORAGE,
        "reads training files and writes tuned models without account keys",
        "hub",
    ),
    Grant(Who.HUB, Role.CONTRIBUTOR, Scope.VAULT, "ties the vault to the hub", "hub"),
    Grant(
        Who.HUB,
        Role.VAULT_ADMINISTRATOR,
        Scope.VAULT,
        "keeps the keys of serverless endpoints as secrets",
        "hub",
    ),
    Grant(Who.HUB, Role.CONTRIBUTOR, Scope.REGISTRY, "ties the registry to the hub", "hub"),
    Grant(
        Who.HUB, Role.CONTRIBUTOR, Scope.INSIGHTS, "sends the endpoints' logs and metrics", "hub"
    ),
    Grant(
        Who.HUB,
        Role.COGNITIVE_CONTRIBUTOR,
        Scope.AI_ACCOUNT,
        "Azure makes no hub for an identity of ours without it",
        "hub",
    ),
    Grant(
        Who.HUB,
        Role.CONTRIBUTOR,
        Scope.HUB,
        "a hub whose identity is ours manages itself through it",
        "hub",
    ),
    Grant(
        Who.HUB,
        Role.CONTRIBUTOR,
        Scope.HUB_PROJECT,
        "a project whose identity is ours manages itself through it",
        "hub",
    ),
    Grant(
        Who.PERSON,
        Role.AI_DEVELOPER,
        Scope.HUB,
        "uses the hub's connections and joins projects to it",
        "hub",
    ),
    Grant(
        Who.PERSON,
        Role.AI_DEVELOPER,
        Scope.HUB_PROJECT,
        "tunes open models and deploys them as serverless endpoints",
        "hub",
    ),
    Grant(
        Who.AI_ACCOUNT,
        Role.BLOB_OWNER,
        Scope.STORAGE,
        "reads training files that the hub's portal keeps in the storage account",
        "hub",
    ),
    Grant(
        Who.PERSON,
        Role.OPENAI_CONTRIBUTOR,
        Scope.AI_ACCOUNT,
        "uploads files, tunes OpenAI models and deploys them; the account has no keys",
        "foundry",
    ),
    Grant(
        Who.PERSON,
        Role.FOUNDRY_USER,
        Scope.AI_PROJECT,
        "works through the project's own endpoint, too",
        "foundry",
    ),
)
"""What the features `hub` and `foundry` add."""

_APPROVES = "approves the managed network's private endpoint to it"
NETWORK_GRANTS = (
    *(
        Grant(Who.WORKSPACE, Role.NETWORK_APPROVER, scope, _APPROVES, "private_network")
        for scope in (Scope.STORAGE, Scope.VAULT, Scope.REGISTRY)
    ),
    Grant(
        Who.JOB,
        Role.ACR_PUSH,
        Scope.REGISTRY,
        "pushes the images that a cluster builds, as Azure's own machines cannot reach it",
        "private_network",
    ),
)
"""What the feature `private_network` adds. Microsoft lists the approvals for a user-assigned
identity; which identity pushes an image that a cluster built is not said anywhere."""

WORKFLOW_GRANTS = (
    Grant(
        Who.WORKFLOW,
        Role.READER,
        Scope.GROUP,
        "reads what stands, for plan, doctor and status; Reader sees no data and no key",
        "github",
    ),
    Grant(
        Who.WORKFLOW,
        Role.DATA_SCIENTIST,
        Scope.WORKSPACE,
        "submits jobs, registers models, changes endpoints and asks them; makes no cluster",
        "github",
    ),
    Grant(
        Who.WORKFLOW,
        Role.BLOB_CONTRIBUTOR,
        Scope.STORAGE,
        "uploads data and code, reads what jobs leave",
        "github",
    ),
    Grant(
        Who.WORKFLOW,
        Role.IDENTITY_OPERATOR,
        Scope.ENDPOINT_IDENTITY,
        "lets an endpoint that it makes run as that identity",
        "github",
    ),
)
"""What the setting `github` adds: train, evaluate and deploy, but neither `up` nor `destroy`."""

OWN_SCOPES = (Scope.HUB, Scope.HUB_PROJECT, Scope.AI_ACCOUNT, Scope.AI_PROJECT)
"""What is never adopted."""


def grants(
    *,
    own_group: bool = True,
    own_workspace: bool = True,
    features: AbstractSet[str] = frozenset(),
) -> tuple[Grant, ...]:
    """List the grants of a stack with these features.

    An adopted group holds what is none of the stack's business, so that nobody gets a role on
    all of it. An adopted workspace's own identity and the people who work in it have their
    grants already, and Azure refuses a second one of the same (RoleAssignmentExists).
    """
    return tuple(
        grant
        for grant in (*GRANTS, *AI_GRANTS, *NETWORK_GRANTS, *WORKFLOW_GRANTS)
        if (not grant.feature or grant.feature in features)
        and (own_group or grant.scope is not Scope.GROUP)
        and (
            own_workspace
            or grant.who not in (Who.WORKSPACE, Who.PERSON)
            or grant.scope in OWN_SCOPES
        )
    )
