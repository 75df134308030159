"""Each route's deployments take their own options; what is for another is refused at once."""

from typing import Any

import pytest

from commands.deploy import OPTIONS as OWN
from commands.managed.options import OF_ROUTE, OPTIONS, HostingChoices, refuse_others
from core.errors import SettingsError

NOTHING: dict[str, Any] = {
    "vm_size": "", "instances": None, "keep": False, "with_base": False, "sku": None,
    "capacity": None, "content_filter": "", "content_safety": None, "name": "", "auth": None,
}  # fmt: skip


@pytest.mark.parametrize("route", OF_ROUTE)
def test_what_was_not_chosen_is_not_refused(route: str) -> None:
    refuse_others("m:1", route, NOTHING)


@pytest.mark.parametrize(
    ("route", "chosen", "told"),
    [
        ("azureml", {"sku": "Standard", "capacity": 5, "name": "x"}, ("sku", "capacity", "name")),
        ("azureml", {"content_safety": False}, ("content-safety",)),
        (
            "openai",
            {"vm_size": "Standard_E4s_v3", "canary": 0, "auth": "key"},
            ("vm-size", "canary", "auth"),
        ),
        ("openai", {"content_safety": True, "keep": True}, ("content-safety", "keep")),
        ("serverless", {"sku": "Standard", "content_filter": "f"}, ("sku", "content-filter")),
    ],
)
def test_every_option_of_another_route_is_refused_together(
    route: str, chosen: dict[str, Any], told: tuple[str, ...]
) -> None:
    with pytest.raises(SettingsError) as caught:
        refuse_others("m:1", route, {**NOTHING, **chosen})
    for option in told:
        assert f"--{option}: not for" in str(caught.value)
    assert "It takes --" in caught.value.hint


def test_every_option_of_the_command_belongs_to_a_route() -> None:
    import click

    made = click.command()(lambda: None)
    for option in (*OWN, *OPTIONS):
        made = option(made)
    names = {parameter.name for parameter in made.params} - {"model"}
    assert names == {name for route in OF_ROUTE.values() for name in route}


def test_choices_take_what_is_theirs() -> None:
    found = HostingChoices.of({**NOTHING, "vm_size": "x", "sku": "Standard", "with_base": True})
    assert found == HostingChoices(sku="Standard", with_base=True)
