"""Pulumi's events become ours, with Azure's own words for what failed."""

import pytest
from pulumi_events import STORAGE, diagnostic, event, urn
from recorded_arm import SUBSCRIPTION, ignore

from infra.engine import Change, Event
from infra.pulumi_cli.azure_words import azure_words, existing_id
from infra.pulumi_cli.step_differences import LATER, UNKNOWN
from infra.pulumi_cli.watch import CHANGES, Watch

INPUTS = {"resourceGroupName": "rg", "accountName": "st1"}
ID = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers"
    "/Microsoft.Storage/storageAccounts/st1"
)


def test_pulumis_events_become_ours() -> None:
    events: list[Event] = []
    watch = Watch(events.append)
    watch(event("resourcePreEvent", "create"))
    watch(event("resOutputsEvent", "create"))
    watch(event("resourcePreEvent", "same", name="vault"))
    watch(event("resOutputsEvent", "same", name="vault"))
    assert [(e.name, e.title, e.change, e.is_done) for e in events] == [
        ("storage", "storage account", Change.NEW, False),
        ("storage", "storage account", Change.NEW, True),
        ("vault", "storage account", Change.SAME, True),
    ]


def test_a_resource_under_way_is_named_and_found_as_azure_will_name_it() -> None:
    events: list[Event] = []
    Watch(events.append, SUBSCRIPTION)(event("resourcePreEvent", "create", after=INPUTS))
    assert (events[0].name, events[0].id) == ("st1", ID)


def test_what_cannot_be_known_yet_is_not_made_up() -> None:
    watch = Watch(ignore, SUBSCRIPTION)
    watch(event("resourcePreEvent", "create", after={**INPUTS, "accountName": UNKNOWN}))
    assert (watch.steps[0].name, watch.steps[0].id) == ("storage", "")


def test_a_preview_names_what_differs() -> None:
    watch = Watch(ignore)
    watch(event("resourcePreEvent", "update", diffs=["kind"]))
    watch(event("resourcePreEvent", "delete", name="old"))
    changed, gone = watch.steps
    (difference,) = changed.differences
    assert (difference.path, difference.before, difference.after) == ("kind", "old", "new")
    assert (gone.name, gone.change) == ("old", Change.GONE)


def test_a_property_deep_inside_is_named_by_its_path() -> None:
    before = {"tags": {"a": "1", "b": "2"}}
    after = {"tags": {"a": "1", "b": "3"}}
    watch = Watch(ignore)
    watch(event("resourcePreEvent", "update", before=before, after=after, diffs=["tags"]))
    (difference,) = watch.steps[0].differences
    assert (difference.path, difference.before, difference.after) == ("tags.b", "2", "3")


def test_the_providers_own_list_of_differences_comes_first() -> None:
    detail = {
        "rules[1].name": {"diffKind": "update", "inputDiff": True},
        'tags["a.b"]': {"diffKind": "add", "inputDiff": True},
        "location": {"diffKind": "update-replace", "inputDiff": True},
        "key": {"diffKind": "update", "inputDiff": True},
    }
    before = {"rules": [{"name": "x"}, {"name": "y"}], "location": "west", "key": "k"}
    after = {
        "rules": [{"name": "x"}, {"name": "z"}],
        "tags": {"a.b": "c"},
        "location": "east",
        "key": UNKNOWN,
    }
    watch = Watch(ignore)
    watch(
        event("resourcePreEvent", "replace", before=before, after=after, detailedDiff=detail)
    )  # fmt: skip
    found = {one.path: (one.before, one.after) for one in watch.steps[0].differences}
    assert found == {
        "key": ("k", LATER),
        "location (replaces it)": ("west", "east"),
        "rules[1].name": ("y", "z"),
        'tags["a.b"]': (None, "c"),
    }


def test_a_replacement_is_one_change_though_pulumi_takes_three_steps() -> None:
    watch = Watch(ignore)
    for op in ("delete-replaced", "replace", "create-replacement"):
        watch(event("resourcePreEvent", op, diffs=["kind"]))
    (step,) = watch.steps
    assert (step.change, len(step.differences)) == (Change.CHANGED, 1)
    assert CHANGES["replace"] is Change.CHANGED


def test_what_is_no_azure_resource_is_no_step() -> None:
    watch = Watch(ignore)
    watch(event("resourcePreEvent", "create", type="pulumi:pulumi:Stack"))
    watch(event("resourcePreEvent", "create", type="tunestack:infra:Stores"))
    assert watch.steps == []


def test_a_failed_resource_shows_azures_own_words_and_the_end_lists_all() -> None:
    events: list[Event] = []
    watch = Watch(events.append)
    for name, code in (("one", "SkuNotAvailable"), ("two", "QuotaExceeded")):
        watch(event("resourcePreEvent", "create", name=name))
        watch(diagnostic(f'Status=409 Code="{code}" Message="Not {name}."', urn(name)))
        watch(event("resOpFailedEvent", "create", name=name))
    watch(diagnostic("update failed\n"))
    assert [one.error for one in events if one.is_done] == [
        "SkuNotAvailable: Not one.",
        "QuotaExceeded: Not two.",
    ]
    assert watch.errors == [
        "storage account one: SkuNotAvailable: Not one.",
        "storage account two: QuotaExceeded: Not two.",
    ]


def test_what_did_not_end_is_known_to_be_under_way() -> None:
    watch = Watch(ignore)
    watch(event("resourcePreEvent", "create", name="one"))
    watch(event("resourcePreEvent", "create", name="two"))
    watch(event("resOutputsEvent", "create", name="one"))
    assert watch.under_way == ["storage account two"]


def test_what_azure_has_already_is_kept_for_being_taken_over_and_is_no_failure() -> None:
    events: list[Event] = []
    watch = Watch(events.append, SUBSCRIPTION)
    watch(event("resourcePreEvent", "create", after=INPUTS))
    watch(diagnostic(f"cannot create already existing resource '{ID}'", urn()))
    watch(event("resOpFailedEvent", "create", after=INPUTS))
    assert watch.refused[urn()].id == ID
    assert watch.refused[urn()].state.inputs == INPUTS
    assert (events[-1].is_done, events[-1].error) == (True, "")
    assert watch.under_way == []


def test_only_errors_are_kept() -> None:
    watch = Watch(ignore)
    watch(diagnostic("a debug line", urn(), severity="debug"))
    watch(diagnostic("a warning", urn(type=STORAGE), severity="warning"))
    assert watch.errors == []


DUMP = """PUT https://management.azure.com/subscriptions/s/x
----
RESPONSE 409: 409 Conflict
ERROR CODE: VaultAlreadyExists
----
{
  "error": {"code": "VaultAlreadyExists", "message": "The name is taken."}
}
----"""


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (DUMP, "VaultAlreadyExists: The name is taken."),
        ('Code="A" Message="Say \\"b\\"."', 'A: Say "b".'),
        ("two\n  lines\n", "two lines"),
    ],
)
def test_azures_words_are_taken_out_of_what_its_sdks_wrap_around(said: str, words: str) -> None:
    assert azure_words(said) == words


@pytest.mark.parametrize(
    ("said", "id"),
    [
        (f"cannot create already existing resource '{ID}'", ID),
        (f'cannot create already existing resource "{ID}"', ID),
        (f"cannot create already existing subresource '{ID}'", ID),
        ("something else", ""),
    ],
)
def test_azure_natives_refusal_to_overwrite_is_known_in_all_its_forms(said: str, id: str) -> None:
    assert existing_id(said) == id
