"""Who reaches storage and vault: their network rules.

Azure's own services stay let in (`bypass`): the workspace is one of them. A rule for this one
workspace would be narrower, and Azure knows such rules by a resource's system-assigned identity,
which ours does not have. Without rules a role alone decides.
"""

from collections.abc import Iterable
from ipaddress import IPv4Network

from pulumi_azure_native import keyvault, storage

from infra.site import Site


def storage_rules(site: Site) -> storage.NetworkRuleSetArgs | None:
    """Shut storage to all but allowed addresses and Azure's services; None: it stays open."""
    if not site.settings.storage_is_closed:
        return None
    return storage.NetworkRuleSetArgs(
        default_action=storage.DefaultAction.DENY,
        bypass=storage.Bypass.AZURE_SERVICES,
        ip_rules=[
            storage.IPRuleArgs(i_p_address_or_range=address, action=storage.Action.ALLOW)
            for address in addresses(site.settings.allowed_ips)
        ],
        virtual_network_rules=[],
    )


def vault_rules(site: Site) -> keyvault.NetworkRuleSetArgs | None:
    """Shut the vault to all but allowed addresses and Azure's services; None: it stays open."""
    if not site.settings.vault_is_closed:
        return None
    return keyvault.NetworkRuleSetArgs(
        default_action=keyvault.NetworkRuleAction.DENY,
        bypass=keyvault.NetworkRuleBypassOptions.AZURE_SERVICES,
        # The vault writes a single address back as a network, so it gets it as one.
        ip_rules=[
            keyvault.IPRuleArgs(value=str(IPv4Network(address)))
            for address in site.settings.allowed_ips
        ],
        virtual_network_rules=[],
    )


def addresses(allowed: Iterable[str]) -> list[str]:
    """Write networks of one or two addresses as addresses: storage refuses /31 and /32."""
    networks = [IPv4Network(text) for text in allowed]
    return [
        str(part)
        for network in networks
        for part in (network if network.prefixlen > 30 else (network,))
    ]
