"""What the checks of a message's text find, and what comes near it and is left alone.

Every secret and number here is made up: of a documented test range, or with its check digit.
"""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.data.check_material import chat, checked, pair, told
from training.data.check import check_file
from training.data.rules import EVERY

PERSONAL = [
    ("personal.email", "Write to jane.doe@contoso.com please", "jane.doe@contoso.com"),
    ("personal.email", "Mail: o'neil+x@mail.contoso.co.uk.", "mail.contoso.co.uk"),
    ("personal.phone", "Call +44 20 7946 0958 today", "7946"),
    ("personal.phone", "Call +1 (650) 253-0000.", "253-0000"),
    ("personal.card", "Card 4111 1111 1111 1111, thanks", "1111"),
    ("personal.card", "Card 5555555555554444", "5555555555554444"),
    ("personal.iban", "Pay DE89 3704 0044 0532 0130 00 now", "3704"),
    ("personal.iban", "Pay GB82WEST12345698765432", "WEST12345698765432"),
    ("personal.ip", "It answers at 20.112.250.133 there", "20.112.250.133"),
    ("personal.number", "SSN 536-90-4399", "536-90-4399"),
    ("personal.number", "CPF 390.533.447-05", "390.533.447-05"),
    ("personal.number", "codice RCCMNL83S18D969H", "RCCMNL83S18D969H"),
    ("personal.number", "DNI 54362315K", "54362315K"),
    ("personal.number", "AHV 756.9217.0769.85", "756.9217.0769.85"),
]
NOT_PERSONAL = [
    "Write to someone@example.com or me@localhost",
    "Follow @contoso and pay 3 @ 5 each",
    "In 2024 it cost 1 234 567 euro, i.e. +12.5 % or +1000000",
    "Card 4111 1111 1111 1112",
    "Rows: 411111 111111 1111 and 4111 1111 1111 1111 1111",
    "Order 1234567890123456 and 0000000000000000",
    "Pay DE00 3704 0044 0532 0130 00",
    "It runs at 127.0.0.1 and 192.168.178.20, version 1.2.3.4",
    "Chapter 20.112.250 and 20.112.250.133.7",
    "SSN 536-90-439 and room 900-00-0000",
    "CPF 390.533.447-06",
    "From 2024-01-15 to 2024-02-15, 09:30-17:00",
]

SECRETS = [
    ("AWS Access Key", "AKIA" + "IOSFODNN7EXAMPLE"),
    ("Azure Storage Account access key", "AccountKey=" + "a1B2" * 22),
    ("Basic Auth Credentials", "https://anna:" + "geheim77@contoso.com/x"),
    ("GitHub Token", "ghp_" + "aB3d" * 9),
    ("GitHub fine-grained token", "github_pat_" + "aB3d" * 16),
    ("GitLab Token", "glpat-" + "aB3dE" * 4),
    ("JSON Web Token", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0." + "c2lnbmF0dXJl"),
    ("OpenAI Token", "sk-" + "a" * 20 + "T3BlbkFJ" + "b" * 20),
    ("OpenAI project key", "sk-proj-" + "aB3d" * 12),
    ("Anthropic key", "sk-ant-" + "api03-" + "aB3d" * 10),
    ("Google API key", "AIza" + "aB3d5" * 7),
    ("Hugging Face token", "hf_" + "aBcDe" * 6 + "fGhI"),
    ("Private Key", "-----BEGIN RSA " + "PRIVATE KEY-----"),
    ("Slack Token", "xoxb-" + "1234-5678-abcdef"),
    ("Stripe Access Key", "sk_live_" + "aB3d" * 6),
    ("Telegram Bot Token", "123456789:" + "aB3d5" * 7),
    ("Twilio API Key", "SK" + "a1b2" * 8),
    ("Azure shared access signature", "https://x/y?sv=1&sig=" + "aB3d" * 11 + "%3D"),
]
NOT_SECRETS = [
    "Set AKIA as a prefix, or ghp_ and hf_ and sk-learn and AIza",
    "See https://contoso.com/a?signal=1 and mail me@example.com",
    "A private key belongs to its owner",
    "It is under task-management and risk-assessment",
    "eyJust kidding; the US-us17 road",
]

TOKENS = [
    ("", "Say <|end|> now", "template.token"),
    ("", "Say <|im_start|>user now", "template.token"),
    ("", "done </s>", "template.token"),
    ("", "[INST] hi [/INST]", "template.token"),
    ("microsoft/Phi-3.5-mini-instruct", "Say <|end|> now", "template.own"),
    ("microsoft/Phi-4-mini-instruct", "Use <|tool|>", "template.own"),
    ("microsoft/Phi-3.5-mini-instruct", "Say <|im_end|> now", "template.token"),
    ("microsoft/Phi-3-mini-4k-instruct", "an <s> there", "template.token"),
    ("HuggingFaceTB/SmolLM2-135M-Instruct", "<|im_end|>", "template.own"),
]
NO_TOKENS = [
    ("", "a <b>bold</b> and <s>old</s word"),
    ("", "if a <| b and c |> d or list[INT]"),
    ("HuggingFaceTB/SmolLM2-135M-Instruct", "HTML: <s>old</s>"),
    ("microsoft/Phi-3.5-mini-instruct", "<user> <end> |end|"),
]

REFUSALS = [
    "I'm sorry, but I can't help with that.",
    "I’m sorry, but I can’t assist with this request.",
    "Sorry, I cannot provide that.",
    "I cannot assist with that request.",
    "As an AI language model, I have no opinions.",
    "I apologize, but I cannot do so.",
    "Es tut mir leid, aber ich kann dabei nicht helfen.",
    "Als KI-Sprachmodell habe ich keine Gefühle.",
    "Je suis désolé, mais je ne peux pas répondre.",
    "Lo siento, pero no puedo ayudar con eso.",
    "Mi dispiace, ma non posso aiutarti.",
    "Sinto muito, mas não posso ajudar.",
    "Het spijt me, maar ik kan dat niet doen.",
    "很抱歉，我无法提供帮助。",
    "作为一个人工智能语言模型，我没有感情。",
    "申し訳ありませんが、お手伝いできません。",
]
NO_REFUSALS = [
    "Sorry for the delay! Your table is booked.",
    "I'm sorry to hear that; rest and drink tea.",
    "You can't miss the castle. Sorry, bad pun.",
    "As an airline, they must refund you.",
    "I recommend nothing but the harbour.",
    "Als Kind war er oft hier.",
]


@pytest.mark.parametrize(("rule", "text", "value"), PERSONAL)
def test_personal_data_is_found_and_never_repeated(
    tmp_path: Path, rule: str, text: str, value: str
) -> None:
    report = checked(tmp_path / "f", chat("Hello there", "Good day"), chat(text, "Fine, thanks"))
    assert told(report, "personal") == [(2, rule)]
    assert report.is_good
    assert value not in str(report.document()["findings"])
    assert any("message 1 holds" in each.reason for each in report.findings)


@pytest.mark.parametrize("text", NOT_PERSONAL)
def test_what_is_no_personal_data_is_left_alone(tmp_path: Path, text: str) -> None:
    assert told(checked(tmp_path / "f", chat(text, text)), "personal") == []


@pytest.mark.parametrize(("kind", "secret"), SECRETS, ids=[kind for kind, _ in SECRETS])
def test_secrets_are_found_by_kind_and_never_repeated(
    tmp_path: Path, kind: str, secret: str
) -> None:
    report = checked(tmp_path / "f", chat("Key?", f'Take "{secret}" there'))
    reasons = [each.reason for each in report.findings if each.rule == "secrets.key"]
    assert any(kind in reason and reason.startswith("message 2") for reason in reasons), reasons
    assert secret not in str(report.document()["findings"])


@pytest.mark.parametrize("text", NOT_SECRETS)
def test_what_is_no_secret_is_left_alone(tmp_path: Path, text: str) -> None:
    assert told(checked(tmp_path / "f", chat(text, text)), "secrets") == []


@pytest.mark.parametrize(("base", "text", "rule"), TOKENS)
def test_control_tokens_of_the_base_are_errors_others_warnings(
    tmp_path: Path, base: str, text: str, rule: str
) -> None:
    report = checked(tmp_path / "f", chat("Hi", text, system="Be kind."), base=base)
    assert set(told(report, "template")) == {(1, rule)}
    assert report.is_good == (rule == "template.token")


@pytest.mark.parametrize(("base", "text"), NO_TOKENS)
def test_text_like_control_tokens_is_left_alone(tmp_path: Path, base: str, text: str) -> None:
    report = checked(tmp_path / "f", chat(text.replace("</s word", ""), "ok"), base=base)
    assert told(report, "template") == []


@pytest.mark.parametrize("answer", REFUSALS)
def test_refusals_are_found_in_answers_alone(tmp_path: Path, answer: str) -> None:
    report = checked(tmp_path / "f", chat("Why?", answer), chat(answer, "Why do you say so?"))
    assert (1, "refusals.answer") in told(report, "refusals")
    assert (2, "refusals.answer") not in told(report, "refusals")


@pytest.mark.parametrize("answer", NO_REFUSALS)
def test_other_answers_are_no_refusals(tmp_path: Path, answer: str) -> None:
    assert told(checked(tmp_path / "f", chat("Why?", answer)), "refusals") == []


@pytest.mark.parametrize(("refusing", "warns"), [(2, True), (1, False)])
def test_a_share_of_refusals_above_five_percent_is_a_warning(
    tmp_path: Path, refusing: int, warns: bool
) -> None:
    records = [chat(f"Question {n}", f"Answer {n}") for n in range(20 - refusing)]
    records += [chat(f"Which {n}?", REFUSALS[0]) for n in range(refusing)]
    report = checked(tmp_path / "f", *records)
    assert ((0, "refusals.share") in told(report, "refusals")) == warns
    assert [each.severity for each in report.findings if each.line and each.rule[:3] == "ref"] == [
        "note"
    ] * refusing


def test_a_rejected_answer_may_refuse(tmp_path: Path) -> None:
    report = checked(tmp_path / "f", pair("Why?", "Because.", REFUSALS[0]),
                     pair("Which?", REFUSALS[0], "This."))  # fmt: skip
    assert (1, "refusals.answer") not in told(report, "refusals")
    assert (2, "refusals.answer") in told(report, "refusals")
    assert "chosen message 1 refuses" in str(report.findings)


def test_escaped_text_is_searched_as_what_it_means(tmp_path: Path) -> None:
    line = (
        rb'{"messages": [{"role": "user", "content": "\u003c|end|\u003e a\u0040contoso.com"},'
        rb' {"role": "assistant", "content": "ok"}]}'
    )
    report = checked(tmp_path / "f", line)
    assert told(report, "template") == [(1, "template.token")]
    assert told(report, "personal") == [(1, "personal.email")]


@given(st.text(max_size=80), st.text(alphabet="+@.-<|>/:0123456789AKIDEsk_ ", max_size=60))
def test_no_text_makes_the_checks_stumble(tmp_path_factory: pytest.TempPathFactory, one: str,
                                          two: str) -> None:  # fmt: skip
    path = tmp_path_factory.mktemp("fuzz") / "f.jsonl"
    report = checked(path, chat(one or "x", two or "y"), base="microsoft/Phi-3.5-mini-instruct")
    assert all(finding.line in (0, 1) for finding in report.findings)


def test_the_projects_own_chats_draw_no_error_and_no_warning() -> None:
    samples = Path(__file__).parents[3] / "training" / "data" / "samples" / "travel"
    for path in sorted(samples.glob("*.jsonl")):
        for base in ("", "HuggingFaceTB/SmolLM2-135M-Instruct", "microsoft/Phi-3.5-mini-instruct"):
            report = check_file(path, rules=EVERY, base=base)
            assert report.errors == report.warnings == []
            assert {each.rule for each in report.findings} <= {"routes.openai"}
