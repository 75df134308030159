"""What Azure OpenAI refuses is told with code, request id and what helps; tokens are fresh."""

from typing import Any

import pytest
from odd_openai import OddOpenAI, api

from core.errors import CloudError, NotSignedIn
from training.managed.openai.jobs import find_job, list_jobs
from training.managed.openai.refusals import Refused

JOBS = "GET /fine_tuning/jobs"
ROLE = (
    "The principal `1` lacks the required data action"
    " `Microsoft.CognitiveServices/accounts/OpenAI/fine-tunes/read` to perform `GET` operation."
)
SIGN_IN = (
    "Unauthorized. Access token is missing, invalid, audience is incorrect"
    " (https://cognitiveservices.azure.com), or have expired."
)


def error(code: str, message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, **more}}


CASES = {
    "role": (401, error("PermissionDenied", ROLE), "OpenAI Contributor"),
    "sign-in": (401, {"statusCode": 401, "message": SIGN_IN}, "az login"),
    "network": (403, error("forbidden", "Public access is disabled."), "tunestack doctor"),
    "standard": (
        400,
        error(
            "invalidPayload",
            "The specified base model m does not support fine-tuning with Standard TrainingType.",
        ),
        "tier: GlobalStandard",
    ),
    "base": (
        400,
        error("invalidPayload", "The specified base model does not support fine-tuning."),
        "tunestack recipe list",
    ),
    "file": (
        400,
        error(
            "invalidPayload",
            "The specified file reference must point to a completed file import.",
        ),
        "in a minute",
    ),
    "limit": (400, error("quotaExceeded", "Too many jobs."), "tunestack jobs cancel"),
    "deployment": (404, error("DeploymentNotFound", "does not exist"), "tunestack deploy"),
    "deployed": (
        409,
        error("conflict", "You can't delete a customized model if it has an existing deployment."),
        "tunestack undeploy",
    ),
    "fault": (503, error("serviceUnavailable", "later"), "goes on from here"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_refusal_says_code_words_request_and_what_helps(odd: OddOpenAI, case: str) -> None:
    status, body, helps = CASES[case]
    odd.refuse(JOBS, status, body, times=3, apim_request_id="apim-7", x_should_retry="false")
    with pytest.raises(CloudError) as caught:
        list_jobs(api(odd))
    told = caught.value
    said = body.get("error", body)
    assert str(said.get("code", 401)) in str(told)
    assert said["message"] in str(told)
    assert helps in told.hint
    assert "Request id apim-7." in told.hint
    assert (told.status, told.request_id) == (status, "apim-7")
    assert told.exit_code == 4


def test_too_many_requests_say_when_to_ask_again(odd: OddOpenAI) -> None:
    odd.refuse(JOBS, 429, error("429", "exceeded call rate limit"), retry_after="86400")
    with pytest.raises(Refused) as caught:
        list_jobs(api(odd))
    assert caught.value.retry_after == 86400
    assert "86400 s" in caught.value.hint
    assert odd.count(JOBS) == 1


def test_details_and_parameter_are_told(odd: OddOpenAI) -> None:
    details = [{"code": "x", "message": "Line 3 has no messages."}, "odd"]
    body = error("invalidPayload", "Invalid.", details=details, param="training_file")
    odd.refuse(JOBS, 400, body)
    with pytest.raises(CloudError, match=r"Invalid\. Line 3 has no messages\. \(training_file\)"):
        list_jobs(api(odd))


@pytest.mark.parametrize("body", [b"<html>gateway</html>", None, [], "text", {"error": "odd"}])
def test_any_body_of_a_refusal_is_told(odd: OddOpenAI, body: Any) -> None:
    odd.refuse(JOBS, 400, body)
    with pytest.raises(CloudError) as caught:
        list_jobs(api(odd))
    assert caught.value.status == 400
    assert "400" in str(caught.value)


def test_what_cannot_be_reached_is_told_as_that(odd: OddOpenAI) -> None:
    asks = api(odd)
    odd.lose(JOBS, 0, times=3)
    with pytest.raises(CloudError, match="could not be reached to list") as caught:
        list_jobs(asks)
    assert caught.value.status == 0


def test_each_request_has_a_token_of_its_own_and_none_of_another_account(
    odd: OddOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_BASE_URL"):
        monkeypatch.setenv(name, "somebody-elses")
    asks = api(odd)
    list_jobs(asks)
    asks.careful.files.list()
    list_jobs(asks)
    sent = [headers["authorization"] for headers in odd.headers]
    assert sent == ["Bearer token-1", "Bearer token-2", "Bearer token-3"]
    assert not any("somebody-elses" in str(headers) for headers in odd.headers)


def test_who_is_not_signed_in_is_told_so(odd: OddOpenAI) -> None:
    from azure.identity import CredentialUnavailableError

    def no_token() -> str:
        raise CredentialUnavailableError("none")

    asks = api(odd)
    asks._token = no_token  # type: ignore[method-assign]
    with pytest.raises(NotSignedIn):
        list_jobs(asks)


def test_jobs_of_other_kinds_are_not_asked_for(odd: OddOpenAI) -> None:
    assert find_job(api(odd), "travel-20261121-101010-abcdef") is None
    assert odd.asked == []
    assert find_job(api(odd), "ftjob-unknown") is None
