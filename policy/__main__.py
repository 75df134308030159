"""The policy pack: `pulumi preview --policy-pack policy` holds a stack to tunestack's promises.

The rules are plain functions in promises/; this file alone speaks Pulumi's policy SDK. It imports
nothing of tunestack's, so that it can hold a changed program to the promises, too.
"""

from promises import RULES
from promises.rule import Rule
from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
)


def policy(rule: Rule) -> ResourceValidationPolicy:
    """Make Pulumi's policy of a rule."""

    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        # What the stack only adopted is read and never written: it is not the stack's to keep.
        if "*" in args.opts.ignore_changes:
            args.not_applicable("adopted, not made by this stack")
        if finding := rule.finding(args.resource_type, args.props):
            report(finding, None)

    level = EnforcementLevel.MANDATORY if rule.is_mandatory else EnforcementLevel.ADVISORY
    return ResourceValidationPolicy(rule.name, rule.description, validate, level)


PolicyPack("tunestack", policies=[policy(rule) for rule in RULES])
