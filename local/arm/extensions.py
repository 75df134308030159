"""Resources that lie on another one or on a group: read, listed and deleted alike at any scope.

Each type makes its own by a PUT with its own rules. They go with what they lie on.
"""

from typing import Any

from local.arm.ids import name_of
from local.operations import Answer, Call, Refusal, operation
from local.state import Document


def path_of(type: str) -> str:
    """Write the path of a type's resources, for the table of operations."""
    return f"/{{scope:path}}/providers/{type}/{{name}}"


def register(type: str) -> None:
    """Register the operations that a type does not have a rule of its own for."""
    one = path_of(type)

    def get(call: Call) -> Document:
        found = call.world.state.get(call.path)
        if found is None:
            scope_of(call)
            raise Refusal(
                404, "ResourceNotFound", f"The {type} '{name_of(call.path)}' could not be found."
            )
        return found

    def delete(call: Call) -> Answer:
        return Answer(status=200 if call.world.state.delete(call.path) else 204)

    def list_all(call: Call) -> dict[str, Any]:
        scope_of(call)
        kept = call.world.state.find(type, below=call.path)
        return {"value": [document for _, document in kept]}

    operation("GET", one, action=f"{type}/read")(get)
    operation("DELETE", one, action=f"{type}/delete")(delete)
    operation("GET", one.removesuffix("/{name}"), action=f"{type}/read")(list_all)


def scope_of(call: Call) -> str:
    """Give the id that a resource lies on.

    Raises:
        Refusal: there is no such group or resource.
    """
    scope = "/" + call.parameters["scope"].strip("/")
    is_subscription = scope.count("/") == 2
    if not is_subscription and call.world.state.get(scope) is None:
        is_group = "/providers/" not in scope
        raise Refusal(
            404,
            "ResourceGroupNotFound" if is_group else "ResourceNotFound",
            f"The scope '{scope}' could not be found.",
        )
    return scope


def document(call: Call, type: str, properties: dict[str, Any], **top: Any) -> Document:
    """Write the resource as it is kept."""
    name = name_of(call.path)
    return {"id": call.path, "name": name, "type": type, **top, "properties": properties}
