"""What can be known of a stack before it costs anything: tools, place, quota, rights, names."""

from core.rules import Rule
from infra.doctor import (
    location,
    model_quota,
    names,
    providers,
    quota,
    rights,
    signed_in,
    tools,
)

RULES: tuple[Rule, ...] = (
    *tools.RULES,
    *signed_in.RULES,
    *providers.RULES,
    *location.RULES,
    *quota.RULES,
    *model_quota.RULES,
    *rights.RULES,
    *names.RULES,
)
