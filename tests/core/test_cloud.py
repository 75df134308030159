"""ARM requests as Azure answers them: long-running, paged, refused, unreachable."""

import base64
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
import requests
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError
from azure.core.pipeline.transport import RequestsTransport
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse

from core.arm import Arm
from core.azure_errors import operation
from core.cloud import Cloud
from core.errors import CloudError, NotSignedIn, PrerequisiteError

PATH = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a"
STATUS = "https://management.azure.com/status/1?api-version=1"
Answer = tuple[int, dict[str, str], Any]


class Scripted(HTTPAdapter):
    """Answers requests from a list and remembers them."""

    def __init__(self, *answers: Answer) -> None:
        super().__init__()
        self.answers = list(answers)
        self.requests: list[tuple[str, str]] = []

    def send(self, request: Any, **kwargs: Any) -> requests.Response:  # type: ignore[override]
        self.requests.append((request.method, request.url))
        status, headers, body = self.answers.pop(0)
        answer = requests.Response()
        answer.status_code, answer.request, answer.url = status, request, request.url
        answer.headers.update({"retry-after-ms": "0", "Content-Type": "application/json"} | headers)
        answer.raw = HTTPResponse(
            io.BytesIO(b"" if body is None else json.dumps(body).encode()), preload_content=False
        )
        return answer


class Signed:
    """A credential with a token that says what a test wants."""

    def __init__(self, **claims: str) -> None:
        self.claims = claims

    def get_token(self, *scopes: str, **kwargs: Any) -> AccessToken:
        body = base64.urlsafe_b64encode(json.dumps(self.claims).encode()).decode().rstrip("=")
        return AccessToken(f"header.{body}.signature", 2**40)


def arm(*answers: Answer, patience: float = 60) -> tuple[Arm, Scripted]:
    script, session = Scripted(*answers), requests.Session()
    session.mount("https://", script)
    transport = RequestsTransport(session=session, session_owner=False)
    return Arm(Signed(), transport, patience), script


def resource(state: str = "Succeeded") -> dict[str, Any]:
    return {"id": PATH, "properties": {"provisioningState": state}}


def test_what_is_not_there_is_none() -> None:
    client, _ = arm((404, {}, {"error": {"code": "ResourceNotFound"}}))
    assert client.get(PATH, "1") is None


def test_a_resource_that_is_final_at_once_takes_one_request() -> None:
    client, transport = arm((200, {}, resource()))
    assert client.put(PATH, "2024-01-01", {}) == resource()
    (request,) = transport.requests
    assert request == ("PUT", f"https://management.azure.com{PATH}?api-version=2024-01-01")


@pytest.mark.parametrize(
    "answers",
    [
        # Azure-AsyncOperation on a 201, as most services do it.
        [
            (201, {"Azure-AsyncOperation": STATUS}, resource("Creating")),
            (200, {}, {"status": "InProgress"}),
            (200, {}, {"status": "Succeeded"}),
            (200, {}, resource()),
        ],
        # 202 without a body and a Location, as storage accounts do it.
        [
            (202, {"Location": STATUS}, None),
            (202, {}, None),
            (200, {}, resource()),
            (200, {}, resource()),
        ],
        # Nothing but the resource's own state.
        [(201, {}, resource("Creating")), (200, {}, resource("Creating")), (200, {}, resource())],
    ],
)
def test_put_waits_until_azure_has_finished(answers: list[Answer]) -> None:
    client, transport = arm(*answers)
    assert client.put(PATH, "1", {}) == resource()
    assert transport.answers == []


def test_a_location_on_a_finished_answer_is_not_followed() -> None:
    client, transport = arm((201, {"Location": STATUS}, resource()))
    assert client.put(PATH, "1", {}) == resource()
    assert len(transport.requests) == 1


def test_an_actions_result_is_what_its_location_answers_last() -> None:
    found = {"value": {"storageAccountResults": []}}
    client, transport = arm((202, {"Location": STATUS}, None), (202, {}, None), (200, {}, found))
    assert client.post(f"{PATH}/diagnose", "1") == found
    assert transport.answers == []


def test_an_action_that_is_done_at_once_gives_its_answer() -> None:
    client, _ = arm((200, {}, {"registrationState": "Registering"}))
    assert client.post(f"{PATH}/register", "1") == {"registrationState": "Registering"}


def test_an_operation_that_failed_says_what_azure_said() -> None:
    failed = {"status": "Failed", "error": {"code": "QuotaExceeded", "message": "No cores left."}}
    client, _ = arm((201, {"Azure-AsyncOperation": STATUS}, resource()), (200, {}, failed))
    with pytest.raises(CloudError, match="QuotaExceeded: No cores left") as error:
        client.put(PATH, "1", {})
    assert error.value.code == "QuotaExceeded"


def test_a_resource_that_ended_as_failed_is_an_error() -> None:
    client, _ = arm((201, {}, resource("Creating")), (200, {}, resource("Failed")))
    with pytest.raises(CloudError, match="ended as Failed"):
        client.put(PATH, "1", {})


def test_patience_ends() -> None:
    waiting = [(200, {}, {"status": "InProgress"})] * 3
    client, _ = arm((202, {"Azure-AsyncOperation": STATUS}, None), *waiting, patience=-1)
    with pytest.raises(CloudError, match="gave up waiting"):
        client.put(PATH, "1", {})


@pytest.mark.parametrize(
    ("answers", "was_there"),
    [
        ([(200, {}, None)], True),
        ([(202, {"Location": STATUS}, None), (202, {}, None), (204, {}, None)], True),
        ([(202, {"Location": STATUS}, None), (404, {}, {"error": {"code": "Gone"}})], True),
        ([(204, {}, None)], False),
        ([(404, {}, {"error": {"code": "ResourceNotFound"}})], False),
    ],
)
def test_delete_waits_and_says_whether_there_was_anything(
    answers: list[Answer], was_there: bool
) -> None:
    client, transport = arm(*answers)
    assert client.delete(f"{PATH}?forceToPurge=true", "1") is was_there
    assert transport.answers == []
    url = transport.requests[0][1]
    assert "forceToPurge=true" in url
    assert "api-version=1" in url


def test_a_list_is_read_to_its_last_page() -> None:
    following = "https://management.azure.com/next?api-version=9&$skip=1"
    client, transport = arm(
        (200, {}, {"value": [{"name": "a"}], "nextLink": following}),
        (200, {}, {"value": [{"name": "b"}]}),
    )
    assert [item["name"] for item in client.get_list("/things", "1")] == ["a", "b"]
    assert transport.requests[1][1] == following


def test_the_list_of_what_is_gone_is_empty() -> None:
    client, _ = arm((404, {}, {"error": {"code": "ParentResourceNotFound"}}))
    assert client.get_list("/things", "1") == []


def test_a_refusal_carries_code_operation_and_request_id() -> None:
    body = {"error": {"code": "AuthorizationFailed", "message": "No right."}}
    client, _ = arm((403, {"x-ms-request-id": "r-1"}, body))
    with pytest.raises(CloudError, match=r"AuthorizationFailed: .*No right") as error:
        client.put(PATH, "1", {})
    refused = error.value
    assert (refused.code, refused.status, refused.request_id) == ("AuthorizationFailed", 403, "r-1")
    assert refused.operation == f"PUT {PATH}"
    assert "r-1" in refused.hint


def test_a_refusal_tells_what_stands_behind_it() -> None:
    details = [{"code": "OutOfQuota", "message": "Not enough quota."}, {"code": "Long"}]
    details[1]["message"] = "x" * 5000
    body = {"error": {"code": "BadRequest", "message": "Invalid.", "details": details}}
    client, _ = arm((400, {}, body))
    with pytest.raises(CloudError, match=r"Invalid\. OutOfQuota: Not enough quota\.") as error:
        client.put(PATH, "1", {})
    assert error.value.code == "BadRequest"
    assert len(str(error.value)) < 1000


def test_a_busy_azure_is_asked_again() -> None:
    busy = (429, {"Retry-After": "0"}, {"error": {"code": "TooManyRequests"}})
    client, transport = arm(busy, (503, {}, None), (200, {}, resource()))
    assert client.get(PATH, "1") == resource()
    assert len(transport.requests) == 3


@pytest.mark.parametrize(
    ("raised", "error", "message"),
    [
        (lambda: ServiceRequestError("refused"), CloudError, "could not be reached to look"),
        (lambda: ClientAuthenticationError("no credential"), NotSignedIn, "Not signed in"),
        (lambda: ClientAuthenticationError("HTTP Error: 503"), CloudError, r"service failed \(503"),
        (lambda: ClientAuthenticationError("HTTP Error: 401"), NotSignedIn, "Not signed in"),
    ],
)
def test_the_sdks_failures_become_ours(
    raised: Callable[[], Exception], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message), operation("look"):
        raise raised()
    assert issubclass(NotSignedIn, PrerequisiteError)


@pytest.mark.parametrize(
    ("claims", "is_person", "name"),
    [
        ({"oid": "o", "idtyp": "user", "upn": "ada@example.org"}, True, "ada@example.org"),
        ({"oid": "o", "scp": "user_impersonation", "appid": "cli"}, True, "cli"),
        ({"oid": "o", "idtyp": "app", "appid": "robot"}, False, "robot"),
        ({"oid": "o", "appid": "robot"}, False, "robot"),
    ],
)
def test_the_token_says_who_is_signed_in(
    claims: dict[str, str], is_person: bool, name: str
) -> None:
    person = Cloud("sub", Signed(tid="t", **claims)).person()
    assert (person.is_person, person.name) == (is_person, name)
    assert (person.object_id, person.tenant_id) == ("o", "t")


UNREGISTERED = {
    "error": {
        "code": "MissingSubscriptionRegistration",
        "message": "The subscription is not registered to use namespace 'Microsoft.Storage'."
        " See https://aka.ms/rps-not-found for how to register subscriptions.",
    }
}
REGISTERING = (200, {}, {"registrationState": "Registering"})
REGISTERED = (200, {}, {"registrationState": "Registered"})
PROVIDER = "https://management.azure.com/subscriptions/s/providers/Microsoft.Storage"


def busy(code: str = "AnotherOperationInProgress") -> Answer:
    return 409, {}, {"error": {"code": code, "message": "Wait."}}


def test_a_namespace_of_first_use_is_registered_and_the_request_sent_again() -> None:
    client, transport = arm(
        (409, {}, UNREGISTERED), REGISTERING, REGISTERING, REGISTERED, (200, {}, resource())
    )
    assert client.put(PATH, "1", {}) == resource()
    sent = [(method, url.partition("?")[0]) for method, url in transport.requests]
    own = ("PUT", f"https://management.azure.com{PATH}")
    look = ("GET", PROVIDER)
    assert sent == [own, ("POST", f"{PROVIDER}/register"), look, look, own]


def test_a_registration_that_does_not_end_is_given_up() -> None:
    forever = [(200, {"retry-after-ms": "30"}, {"registrationState": "Registering"})] * 20
    client, _ = arm((409, {}, UNREGISTERED), *forever, patience=0.1)
    with pytest.raises(CloudError, match="gave up waiting"):
        client.put(PATH, "1", {})


def test_a_registration_that_changes_nothing_is_not_repeated_for_ever() -> None:
    attempt = [(409, {}, UNREGISTERED), REGISTERED, REGISTERED]
    client, transport = arm(*attempt * 3, (409, {}, UNREGISTERED))
    with pytest.raises(CloudError, match="not registered to use") as error:
        client.put(PATH, "1", {})
    assert error.value.code == "MissingSubscriptionRegistration"
    assert transport.answers == []


def test_a_refusal_that_names_no_namespace_is_the_answer() -> None:
    unnamed = {"error": {"code": "MissingSubscriptionRegistration", "message": "Register."}}
    client, transport = arm((409, {}, unnamed))
    with pytest.raises(CloudError, match="Register"):
        client.put(PATH, "1", {})
    assert transport.answers == []


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_change_waits_for_the_one_before_it(method: str) -> None:
    client, transport = arm(
        busy(), (200, {}, resource("Creating")), (200, {}, resource()), (200, {}, resource())
    )
    path = f"{PATH}?forceToPurge=true"
    assert client.put(path, "1", {}) if method == "PUT" else client.delete(path, "1")
    assert [sent for sent, _ in transport.requests] == [method, "GET", "GET", method]
    assert ["forceToPurge" in url for _, url in transport.requests] == [True, False, False, True]


def test_a_change_that_met_an_ending_operation_is_sent_once_more() -> None:
    gone = (404, {}, {"error": {"code": "ResourceNotFound"}})
    client, _ = arm(busy("Conflict"), gone, (201, {}, resource()))
    assert client.put(PATH, "1", {}) == resource()
    client, transport = arm(*[busy("Conflict"), (200, {}, resource())] * 2)
    with pytest.raises(CloudError, match=r"Conflict: .*Wait"):
        client.put(PATH, "1", {})
    assert transport.answers == []


def test_a_conflict_that_waiting_does_not_end_is_the_answer() -> None:
    client, transport = arm(busy("RoleAssignmentExists"), (200, {}, resource()))
    with pytest.raises(CloudError, match="RoleAssignmentExists"):
        client.put(PATH, "1", {})
    assert transport.answers == []
