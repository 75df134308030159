"""Which hosting services a stack has."""

from core.cloud import Cloud
from core.refs import StackOutputs
from deploy.managed.contract import Hosted, Hosting


def hostings(cloud: Cloud, outputs: StackOutputs) -> tuple[Hosting, ...]:
    """Give the services that the stack has; none where it was made without `hub` and `foundry`."""
    found: list[Hosting] = []
    if outputs.project:
        from deploy.managed.serverless import ServerlessHosting

        found.append(ServerlessHosting(cloud, outputs))
    if outputs.ai_project:
        from deploy.managed.foundry import FoundryHosting

        found.append(FoundryHosting(cloud, outputs))
    return tuple(found)


def standing(cloud: Cloud, outputs: StackOutputs) -> list[tuple[Hosting, Hosted]]:
    """List every managed deployment of the stack beside the service that has it."""
    return [(one, item) for one in hostings(cloud, outputs) for item in one.deployments()]
