"""Azure names: pure functions of subscription, stack and generation. Never random, never a clock.

Names that all of Azure shares, or that soft delete may hold, change with the generation; the
group's and the identities' do not, so that raising it keeps what need not be made again.
"""

import hashlib
import re
from dataclasses import dataclass

from core.errors import SettingsError

_STACK = re.compile(r"(?:[\w-][\w.-]*/){0,2}(?P<name>[A-Za-z0-9_.-]{1,100})", re.ASCII)


@dataclass(frozen=True)
class Names:
    """Every fixed name of one stack."""

    group: str
    storage_account: str
    key_vault: str
    log_analytics: str
    application_insights: str
    container_registry: str
    workspace: str
    endpoint_identity: str
    job_identity: str
    workspace_identity: str
    hub: str
    hub_project: str
    hub_identity: str
    workflow_identity: str
    ai_account: str
    """Also its subdomain, which all of Azure shares."""
    ai_project: str
    budget: str
    action_group: str


def names(subscription: str, stack: str, generation: int = 1) -> Names:
    """Name the stack's resources, legally and repeatably."""
    own = stack_name(stack)
    unique = _digest(f"{subscription.lower()}/{own}/{generation}")
    short = _slug(own, 8)
    later = f"-{generation}" if generation > 1 else ""
    return Names(
        group=f"rg-tunestack-{_slug(own, 60)}",
        storage_account=f"st{short.replace('-', '')}{unique[:12]}",
        key_vault=f"kv-{short}-{unique[:10]}",
        log_analytics=f"log-tunestack-{_slug(own, 40)}{later}",
        application_insights=f"appi-tunestack-{_slug(own, 40)}{later}",
        container_registry=f"cr{short.replace('-', '')}{unique[:12]}",
        workspace=f"mlw-{_slug(own, 24)}{later}",
        endpoint_identity=f"id-{_slug(own, 60)}-endpoint",
        job_identity=f"id-{_slug(own, 60)}-job",
        workspace_identity=f"id-{_slug(own, 60)}-workspace",
        hub=f"hub-{_slug(own, 24)}{later}",
        hub_project=f"prj-{_slug(own, 24)}{later}",
        hub_identity=f"id-{_slug(own, 60)}-hub",
        workflow_identity=f"id-{_slug(own, 60)}-workflow",
        ai_account=f"ai-{short}-{unique[:10]}",
        ai_project=f"prj-{_slug(own, 40)}",
        budget=f"budget-{_slug(own, 40)}",
        action_group=f"ag-tunestack-{_slug(own, 40)}",
    )


def cluster_name(compute: str, vm_size: str, *, is_low_priority: bool = False) -> str:
    """Name a cluster after its VM size and priority, as a cluster can change neither.

    At most 24 letters, digits and single hyphens, and Azure refuses a last part of digits alone.
    """
    size = re.sub(r"[^a-z0-9]+", "-", vm_size.removeprefix("Standard_").lower()).strip("-")
    last = "-low" if is_low_priority else ""
    name = f"{compute}-{size}{last}"
    if len(name) > 24:
        head = size[: 13 - len(last)].rstrip("-")
        name = f"{compute}-{head}{last}-{_digest(vm_size)[:6]}"
    return f"{name[:23]}x" if re.search(r"-\d+$", name) else name


def stack_name(stack: str) -> str:
    """Give a stack's own name, without the organisation and project before it.

    Raises:
        SettingsError: Pulumi would refuse the name.
    """
    found = _STACK.fullmatch(stack)
    if found is None or not found["name"].strip("."):
        raise SettingsError(
            f"stack: {stack!r} is no stack name: letters, digits, '-', '_' and '.', at most 100.",
            hint="For example --stack dev",
        )
    return found["name"]


def _slug(text: str, limit: int) -> str:
    """Reduce to lower-case letters, digits and single hyphens; what loses something gets a hash."""
    clean = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    if clean == text and len(clean) <= limit:
        return clean
    head = clean[: limit - 7].rstrip("-")
    return f"{head}-{_digest(text)[:6]}" if head else _digest(text)[:6]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
