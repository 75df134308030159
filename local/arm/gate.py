"""What ARM itself refuses before a resource provider sees a request that makes something."""

from local.arm.ids import group_of, name_of
from local.arm.polling import advance, is_deleting
from local.arm.providers import check_registered
from local.operations import Call, Refusal


def check_gate(call: Call) -> None:
    """Refuse a PUT into an unregistered namespace, or into a group that is being deleted.

    Message of the latter as reported in Azure/azure-cli#21121.
    """
    check_registered(call)
    group = group_of(call.path)
    if group and is_deleting(call.world.state.get(group)):
        advance(call.world, group)
        raise Refusal(
            409,
            "ResourceGroupBeingDeleted",
            f"The resource group '{name_of(group)}' is in deprovisioning state and cannot perform"
            " this operation.",
        )
