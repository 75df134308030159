"""Azure ML's managed network: nodes and deployments without public addresses.

It costs nothing by itself; its private endpoints do, and the Premium registry that takes one. What
a node reaches on the internet is not limited: AllowOnlyApprovedOutbound would do that with a
firewall that costs more than all the rest. The workspace stays public, as a laptop reaches it.
"""

import pulumi
from pulumi_azure_native import machinelearningservices as ml

from infra.site import Site
from infra.stores import Linked

ENDPOINTS = {
    "storage-blob": ("storage", "blob"),
    "storage-file": ("storage", "file"),
    "vault": ("vault", "vault"),
}
"""Private endpoints by the name of their rule: the store, and the part of it that is reached.

The registry's is missing: Azure adds a rule by itself for what has no public access, and refuses
a second one (learn.microsoft.com, how-to-managed-network, required rules).
"""


def managed_network(site: Site, linked: Linked) -> ml.ManagedNetworkSettingsArgs | None:
    """Ask for the managed network with a private endpoint to each store; None: no network."""
    if not site.settings.private_network:
        return None
    return ml.ManagedNetworkSettingsArgs(
        isolation_mode=ml.IsolationMode.ALLOW_INTERNET_OUTBOUND,
        outbound_rules={
            name: _endpoint(getattr(linked, store), part)
            for name, (store, part) in ENDPOINTS.items()
        },
    )


def _endpoint(store: pulumi.Output[str], part: str) -> ml.PrivateEndpointOutboundRuleArgs:
    return ml.PrivateEndpointOutboundRuleArgs(
        type="PrivateEndpoint",
        category=ml.RuleCategory.USER_DEFINED,
        destination=ml.PrivateEndpointDestinationArgs(
            service_resource_id=store, subresource_target=part
        ),
    )
