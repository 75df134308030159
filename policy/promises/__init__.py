"""tunestack's promises as plain rules; they know neither Pulumi's SDK nor tunestack."""

from . import grants, machine_learning, stores

RULES = (*stores.RULES, *machine_learning.RULES, *grants.RULES)
