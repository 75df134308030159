"""Azure's built-in policies: what they would say of a stack is fixed, or explained in the docs."""

import re
from pathlib import Path

import pytest
from azure_policies import PAGE, Finding, findings, listed, occurrences
from fidelity import ROOT, as_templates, sent, shared_azure

SHARED = shared_azure()
pytestmark = pytest.mark.skipif(
    SHARED is None, reason="Azure's policy definitions (../shared/azure) are not here"
)


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[Finding, str]:
    """What the policies say of every variant, and when."""
    assert SHARED is not None
    return occurrences(SHARED)


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def test_every_finding_is_explained_and_nothing_else_is(
    said: dict[Finding, str], page: str
) -> None:
    explained = {finding: when for finding, (when, _) in listed(page).items()}
    assert explained == said


def test_every_explanation_says_something(page: str) -> None:
    reasons = {finding: reason for finding, (_, reason) in listed(page).items()}
    assert reasons
    assert {finding for finding, reason in reasons.items() if len(reason) < 20} == set()


def test_a_body_that_breaks_a_promise_is_found() -> None:
    assert SHARED is not None
    rows = as_templates(sent(({},)))
    before = {item["policy"] for item in findings(SHARED, rows)}
    (account,) = (row for row in rows if row["type"] == "Microsoft.Storage/storageAccounts")
    (vault,) = (row for row in rows if row["type"] == "Microsoft.KeyVault/vaults")
    account["body"]["properties"]["allowSharedKeyAccess"] = True
    vault["body"]["properties"]["enableRbacAuthorization"] = False
    after = {item["policy"] for item in findings(SHARED, rows)} - before
    assert "Storage accounts should prevent shared key access" in after
    assert "Azure Key Vault should use RBAC permission model" in after


def test_every_promise_of_the_page_names_a_test_that_is_there(page: str) -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page)
    assert len(named) == 7
    for file, name in named:
        assert f"def {name}(" in Path(ROOT / file).read_text(encoding="utf-8")
