"""Rules run side by side, hide nothing of one another, and ask Azure each thing once."""

import threading
from collections.abc import Iterator

import pytest

from core.errors import CloudError, NotSignedIn
from core.facts import Facts
from core.rules import Finding, Rule, Status, failed, ok, run_rules
from core.settings import Settings
from tests.doctor_facts import ROOT, TODAY, arm, facts, refuse

PATH = f"{ROOT}/providers/Some.Thing"


def rule(id: str, *found: Finding, needs_azure: bool = False) -> Rule:
    return Rule(id, lambda facts: found, needs_azure=needs_azure)


def asking(id: str) -> Rule:
    def check(facts: Facts) -> Iterator[Finding]:
        facts.get(PATH, "2024-01-01")
        yield ok("asked")

    return Rule(id, check)


def test_findings_come_in_the_rules_order_and_carry_their_rules_id() -> None:
    found = run_rules([rule("a", ok("1"), ok("2")), rule("b", failed("3", "do"))], facts())
    assert [(one.rule, one.told) for one in found] == [("a", "1"), ("a", "2"), ("b", "3")]


def test_rules_run_side_by_side() -> None:
    both = threading.Barrier(2, timeout=20)

    def check(facts: Facts) -> Iterator[Finding]:
        both.wait()
        yield ok("met the other")

    found = run_rules([Rule("a", check), Rule("b", check)], facts())
    assert [one.told for one in found] == ["met the other"] * 2


def test_a_refusal_to_one_rule_hides_no_other_and_names_the_missing_right() -> None:
    about = facts()
    refuse(about, "Some.Thing", "Some.Thing/things/read")
    refused, other = run_rules([asking("a"), rule("b", ok("fine"))], about)
    assert refused.status is Status.UNKNOWN
    assert f"the right Some.Thing/things/read on {ROOT} is missing" in refused.told
    assert f"--role Reader --assignee YOU --scope {ROOT}" in refused.fix
    assert other.status is Status.OK


def test_a_fault_of_azures_is_unknown_and_tells_azures_words() -> None:
    about = facts()
    arm(about).refuse = lambda method, path: CloudError("Azure broke", code="Oops", status=500)
    (found,) = run_rules([asking("a")], about)
    assert (found.status, found.told) == (Status.UNKNOWN, "could not be asked: Azure broke")


def test_a_bug_in_a_rule_is_no_finding() -> None:
    def broken(facts: Facts) -> Iterator[Finding]:
        raise ZeroDivisionError
        yield

    with pytest.raises(ZeroDivisionError):
        run_rules([Rule("a", broken, needs_azure=False)], facts())


def test_without_a_sign_in_what_needs_no_azure_runs_and_the_rest_is_skipped() -> None:
    about = Facts("dev", Settings(), TODAY, absence=NotSignedIn("Not you.", hint="az login"))
    skipped, other = run_rules([asking("a"), rule("b", ok("fine"))], about)
    assert (skipped.status, skipped.told, skipped.fix) == (
        Status.SKIPPED, "not signed in", "az login",
    )  # fmt: skip
    assert other.status is Status.OK


def test_many_rules_that_ask_the_same_send_one_request() -> None:
    about = facts()
    run_rules([asking(str(number)) for number in range(12)], about)
    assert arm(about).requests == [("GET", PATH)]


def test_the_first_request_goes_alone_and_the_others_wait_for_its_token() -> None:
    about = facts()
    about.person()  # takes a token of its own, which no request can use
    under_way: list[int] = []
    most: list[int] = []
    first = threading.Event()

    def watched(method: str, path: str) -> bool:
        under_way.append(1)
        most.append(len(under_way) if not first.is_set() else 1)
        # Time for another request to come in, were there one.
        threading.Event().wait(0.05 if not first.is_set() else 0)
        first.set()
        under_way.pop()
        return False

    arm(about).refuse = watched
    paths = [f"{PATH}/{number}" for number in range(8)]
    about.get_each(paths, "2024-01-01")
    assert max(most) == 1
    assert len(arm(about).requests) == 8


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotSignedIn("Not signed in to Azure.", hint="az login"), Status.SKIPPED),
        (CloudError("Azure could not be reached."), Status.UNKNOWN),
    ],
)
def test_where_azure_is_away_or_nobody_signed_in_one_attempt_is_enough(
    error: Exception, status: Status
) -> None:
    about = facts()
    attempts = []

    def away(method: str, path: str) -> bool:
        attempts.append(path)
        raise error

    arm(about).refuse = away
    others = [Rule(str(n), lambda of, n=n: [ok(str(of.get(f"{PATH}{n}", "")))]) for n in range(6)]
    found = run_rules(others, about)
    assert {one.status for one in found} == {status}
    assert len(attempts) == 1


def test_a_refusal_is_an_answer_and_the_next_question_is_asked() -> None:
    about = facts()
    refuse(about, "Some.Thing")
    with pytest.raises(CloudError):
        about.get(PATH, "2024-01-01")
    assert about.get(ROOT, "2022-12-01") == {"displayName": "Recorded", "state": "Enabled"}
