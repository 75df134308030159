"""Resource providers: which namespaces the subscription may use, and how it comes to.

A fresh subscription has those registered that Azure registers by itself: of the ones played here
Microsoft.Authorization, Microsoft.Consumption (azure.github.io/Azure-Landing-Zones, resource
providers) and Microsoft.Resources (not verified). The others are registered by a
POST, which takes polls.
"""

from typing import Any

from local.access import require
from local.arm.resources import TYPES
from local.operations import SIGNED_IN, Answer, Call, Refusal, operation
from local.state import State
from local.tenant import tenant

SUBSCRIPTION = "/subscriptions/{subscription}"
BY_DEFAULT = ("Microsoft.Authorization", "Microsoft.Consumption", "Microsoft.Resources")
KIND = "provider"
POLLS = 2
SOON = "100"


@operation(
    "GET",
    f"{SUBSCRIPTION}/providers",
    action="Microsoft.Resources/subscriptions/providers/read",
    note="the namespaces that are played",
)
def list_providers(call: Call) -> dict[str, Any]:
    """List the namespaces that are played."""
    return {"value": [_provider(call, name) for name in _namespaces()]}


@operation(
    "GET",
    f"{SUBSCRIPTION}/providers/{{provider}}",
    action="Microsoft.Resources/subscriptions/providers/read",
    note="one that is being registered comes a step further",
)
def get_provider(call: Call) -> Answer:
    """Read a namespace with its types."""
    name = _namespace(call)
    _advance(call.world.state, name)
    return _answer(call, name)


@operation(
    "POST",
    f"{SUBSCRIPTION}/providers/{{provider}}/register",
    action=SIGNED_IN,
    note="Registering, then Registered by two polls of GET; takes `<namespace>/register/action`",
)
def register_provider(call: Call) -> Answer:
    """Register a namespace."""
    name, home = _namespace(call), tenant(call.world.folder)
    require(call.world.state, call.principal, f"{name}/register/action", home.subscription)
    with call.world.state.transaction():
        if name not in BY_DEFAULT and call.world.state.get(_key(name)) is None:
            call.world.state.put(_key(name), KIND, {"left": POLLS})
    return _answer(call, name)


def check_registered(call: Call) -> None:
    """Refuse to make anything in a namespace that is played and not registered."""
    last = call.path.rpartition("/providers/")[2].partition("/")[0].lower()
    for name in _namespaces():
        if name.lower() == last and _state(call.world.state, name) != "Registered":
            message = (
                f"The subscription is not registered to use namespace '{name}'. See"
                " https://aka.ms/rps-not-found for how to register subscriptions."
            )
            raise Refusal(409, "MissingSubscriptionRegistration", message)


def _namespaces() -> list[str]:
    return sorted({type.provider for type in TYPES} | set(BY_DEFAULT))


def _namespace(call: Call) -> str:
    wanted = call.parameters["provider"]
    for name in _namespaces():
        if name.lower() == wanted.lower():
            return name
    raise Refusal(404, "InvalidResourceNamespace", f"The resource namespace '{wanted}' is invalid.")


def _state(state: State, name: str) -> str:
    if name in BY_DEFAULT:
        return "Registered"
    record = state.get(_key(name))
    if record is None:
        return "NotRegistered"
    return "Registering" if record["left"] > 0 else "Registered"


def _advance(state: State, name: str) -> None:
    with state.transaction():
        record = state.get(_key(name))
        if record is not None and record["left"] > 0:
            state.put(_key(name), KIND, {"left": record["left"] - 1})


def _answer(call: Call, name: str) -> Answer:
    document = _provider(call, name)
    is_done = document["registrationState"] != "Registering"
    # Azure gives no hint here; with it our own client need not wait two seconds.
    return Answer(document, headers={} if is_done else {"retry-after-ms": SOON})


def _provider(call: Call, name: str) -> dict[str, Any]:
    types = [type.type.partition("/")[2] for type in TYPES if type.provider == name]
    is_free = name in BY_DEFAULT
    return {
        "id": f"{tenant(call.world.folder).subscription}/providers/{name}",
        "namespace": name,
        "registrationState": _state(call.world.state, name),
        "registrationPolicy": "RegistrationFree" if is_free else "RegistrationRequired",
        "resourceTypes": [{"resourceType": type, "locations": []} for type in types],
    }


def _key(name: str) -> str:
    return f"{KIND}:/{name}"
