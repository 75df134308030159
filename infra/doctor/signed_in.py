"""Rules about who asks: is somebody signed in, and is there a subscription to work in."""

from collections.abc import Iterator

from core.errors import NotSignedIn
from core.facts import Facts
from core.rules import Finding, Rule, failed, ok

SUBSCRIPTIONS_API = "2022-12-01"
CHOOSE = "az account list -o table; export AZURE_SUBSCRIPTION_ID=..."


def login(facts: Facts) -> Iterator[Finding]:
    """Say who is signed in."""
    try:
        person = facts.person()
    except NotSignedIn as error:
        yield failed(str(error), error.hint)
        return
    kind = "person" if person.is_person else "service principal"
    yield ok(f"{person.name}, a {kind}")


def person_type(facts: Facts) -> Iterator[Finding]:
    """Say whether the setting names the kind of who is signed in: Azure refuses a wrong grant."""
    if facts.cloud is None:
        return
    person, told = facts.person(), facts.settings.person_type
    if facts.settings.person not in ("", person.object_id):
        yield ok(f"the person's grants are for {facts.settings.person}, and you are another")
        return
    meant = "User" if person.is_person else "ServicePrincipal"
    if told == meant:
        yield ok(f"{meant}, as personType says")
    else:
        yield failed(
            f"personType is {told}, and {person.name} is a {meant}",
            f"export TUNESTACK_PERSON_TYPE={meant}",
        )


def subscription(facts: Facts) -> Iterator[Finding]:
    """Say whether the subscription is there and may be used."""
    found = facts.get(facts.subscription, SUBSCRIPTIONS_API)
    if found is None:
        yield failed(f"{facts.subscription} is not there, or not yours to see", CHOOSE)
        return
    name, state = found.get("displayName") or facts.subscription, found.get("state") or "Enabled"
    if state == "Enabled":
        yield ok(f"{name}, {state}")
    else:
        yield failed(
            f"{name} is {state}: nothing can be made in it",
            f"https://portal.azure.com > Subscriptions > {name}, or another one: {CHOOSE}",
        )


ALL = frozenset({"up", "train", "deploy"})
RULES = (
    Rule("login", login, stops=ALL, needs_azure=False),
    Rule("login.type", person_type),
    Rule("subscription", subscription, stops=ALL),
)
