"""What a live comparison asks where nobody says: the lab's questions."""

from evaluation.questions.travel import SYSTEM, TRAVEL, travel_cases


def test_the_lab_asks_five_questions_each_under_its_system_message() -> None:
    asked = travel_cases()
    assert [case.question for case in asked] == list(TRAVEL) and len(asked) == 5
    assert {case.messages[0].content for case in asked} == {SYSTEM}
    assert all([message.role for message in case.messages] == ["system", "user"] for case in asked)


def test_another_system_message_takes_the_labs_place() -> None:
    assert {case.messages[0].content for case in travel_cases("Be brief.")} == {"Be brief."}
