"""Promises about storage, vault, registry and logs."""

from .rule import Inputs, Rule, must_be, value

STORAGE = ("storage:StorageAccount",)
CONTAINER = ("storage:BlobContainer",)
VAULT = ("keyvault:Vault",)
REGISTRY = ("containerregistry:Registry",)
LOGS = ("operationalinsights:Workspace",)
TLS = ("TLS1_2", "TLS1_3")


def _old_tls(inputs: Inputs) -> str:
    found = value(inputs, "minimumTlsVersion")
    return "" if found in TLS else f"minimumTlsVersion is {found!r}, not one of {', '.join(TLS)}"


def _no_cap(inputs: Inputs) -> str:
    cap = value(inputs, "workspaceCapping", "dailyQuotaGb")
    is_bounded = cap is not None and cap > 0
    return "" if is_bounded else f"workspaceCapping.dailyQuotaGb is {cap!r}"


RULES = (
    Rule(
        "storage-no-shared-keys",
        "Storage takes no account keys.",
        "A key opens everything, names nobody and does not end.",
        STORAGE,
        must_be(False, "allowSharedKeyAccess"),
    ),
    Rule(
        "storage-no-public-blobs",
        "No container of the account can be made public.",
        "Training data must not be one wrong setting away from the internet.",
        STORAGE,
        must_be(False, "allowBlobPublicAccess"),
    ),
    Rule(
        "container-no-public-blobs",
        "No container is public.",
        "Training data is nobody else's.",
        CONTAINER,
        must_be("None", "publicAccess"),
    ),
    Rule(
        "storage-tls-1-2",
        "Storage speaks TLS 1.2 or newer.",
        "Older versions can be read along.",
        STORAGE,
        _old_tls,
    ),
    Rule(
        "storage-https-only",
        "Storage answers over HTTPS alone.",
        "A token sent in the clear is anybody's.",
        STORAGE,
        must_be(True, "enableHttpsTrafficOnly"),
    ),
    Rule(
        "storage-no-local-users",
        "Storage has no local (SFTP) users.",
        "They sign in with passwords that no role bounds.",
        STORAGE,
        must_be(False, "isLocalUserEnabled"),
    ),
    Rule(
        "storage-same-tenant",
        "Data is not replicated into other tenants.",
        "It would leave with nobody's role allowing it.",
        STORAGE,
        must_be(False, "allowCrossTenantReplication"),
    ),
    Rule(
        "vault-decides-by-role",
        "The vault decides by roles, not by access policies.",
        "Whoever may write an access policy may give themselves every secret.",
        VAULT,
        must_be(True, "properties", "enableRbacAuthorization"),
    ),
    Rule(
        "vault-soft-delete",
        "A deleted vault can be brought back.",
        "The workspace's endpoint keys and connections are in it.",
        VAULT,
        must_be(True, "properties", "enableSoftDelete"),
    ),
    Rule(
        "registry-no-admin",
        "The registry has no admin user.",
        "Its password would push images for everybody who saw it once.",
        REGISTRY,
        must_be(False, "adminUserEnabled"),
    ),
    Rule(
        "registry-no-anonymous-pull",
        "Nobody pulls images without signing in.",
        "Images hold code and pins that are nobody else's.",
        REGISTRY,
        must_be(False, "anonymousPullEnabled"),
    ),
    Rule(
        "logs-have-a-daily-cap",
        "Logs have a daily cap.",
        "A loop that logs would otherwise cost without end.",
        LOGS,
        _no_cap,
        is_mandatory=False,
    ),
)
