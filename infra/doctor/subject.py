"""The stack that the rules are about, as the program sees it."""

from core.facts import Facts
from infra.site import Site


def site_of(facts: Facts) -> Site:
    """Give the stack's names, tags and ids.

    Raises:
        NotSignedIn: names follow from the subscription.
    """
    subscription = facts.subscription.removeprefix("/subscriptions/")
    return Site(facts.settings, subscription, facts.stack)
