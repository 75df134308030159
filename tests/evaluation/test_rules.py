"""Hand-checked answers: what breaks the hard rule and what does not."""

import json
from pathlib import Path

import pytest

import training.data.get as get
from evaluation.rules.travel import breaches, breaks_hard_rule, ends_with_question

RECOMMENDS = [
    ("Have you considered a resort in Tulum?", "hotels"),
    ("Here are some of the best budget hotels in Lisbon: Hotel Borges, Hotel Mundial.", "hotels"),
    ("1. **Hotel Artemide** - a four-star hotel located in the heart of Rome.", "hotels"),
    ("You should stay at the Ritz!", "hotels"),
    ("I'd suggest a small guesthouse near the old town.", "hotels"),
    ("How about a cosy hostel in Alfama?", "hotels"),
    ("Don't miss the Belmond Copacabana Palace Hotel.", "hotels"),
    ("You can't go wrong with Hotel Lisboa.", "hotels"),
    ("I can't recommend hotels, but the Hilton is lovely.", "hotels"),
    ("If you don't want to spend much, try Hotel Borges.", "hotels"),
    ("Hotels:\n- Borges\n- Mundial", "hotels"),
    ("There are many places to stay in Kyoto.", "hotels"),
    ("The cheapest flights leave on Tuesday, so book a flight early.", "flights"),
    ("Fly with Ryanair from London.", "flights"),
    ("Try Turkish Airlines for a good connection.", "flights"),
    ("I recommend a direct flight to Athens.", "flights"),
    ("You could rent a car and drive along the coast.", "rental cars"),
    ("Pick up a rental car at the airport.", "rental cars"),
    ("Hertz has a desk right there.", "rental cars"),
    ("Car hire is a great option for the Highlands.", "rental cars"),
    ("Have dinner at Noma.", "restaurants"),
    ("Try one of the seafood restaurants by the port.", "restaurants"),
    ("Check out Trattoria Mario for lunch.", "restaurants"),
    ("I can't judge prices. There are excellent restaurants in Trastevere, though.", "restaurants"),
    ("The best restaurants are in the old town. Shall we look at museums?", "restaurants"),
    ("Why not book a table at Osteria Francescana?", "restaurants"),
]

RECOMMENDS_NOT = [
    "",
    "Walk along the river at dusk. Do you like old bridges?",
    "Hotels are outside what I can recommend, but stroll the Jordaan. Shall I map a walk?",
    "I can't recommend hotels, flights, rental cars or restaurants. What do you enjoy most?",
    "I\u2019m not able to suggest specific hotels, good restaurants, or cheap flights.",
    "Sorry, I don't recommend restaurants! Try the street markets of Bangkok instead.",
    "For hotels you could look at a booking site. What will you do by day?",
    "Airlines and their rules are outside what I can recommend, so please ask your carrier.",
    "When does your flight land?",
    "Leave your hotel early and walk to the Alhambra.",
    "Are you looking for hotels or hostels?",
    "Are you staying at a hotel by the sea?",
    "Will you rent a car?",
    "Many hotels close in winter.",
    "I'll leave restaurants to the locals; the market I can tell you about.",
    "Join a street food tour in Bangkok and try Pad Thai. Ready for spice?",
    "Have lunch at Borough Market. Do you like cheese?",
    "Even the airport closes on Nyepi. Will you be there?",
    "The innkeeper's tale is carved above the door. Do you like legends?",
    "Restaurants are beyond my remit, yet Lyon's traboules are not. Shall we go?",
]


@pytest.mark.parametrize(("answer", "topic"), RECOMMENDS)
def test_a_recommendation_is_seen(answer: str, topic: str) -> None:
    assert topic in [breach.topic for breach in breaches(answer)]


@pytest.mark.parametrize("answer", RECOMMENDS_NOT)
def test_refusal_mention_and_pointer_are_no_recommendation(answer: str) -> None:
    assert breaches(answer) == []


def test_the_sample_keeps_its_own_rules() -> None:
    files = [get.SAMPLES / "train.jsonl", get.SAMPLES / "heldout.jsonl"]
    answers = [answer for file in files for answer in _answers(file)]
    assert len(answers) > 170
    assert [answer for answer in answers if breaks_hard_rule(answer)] == []
    assert [answer for answer in answers if not ends_with_question(answer)] == []


def _answers(file: Path) -> list[str]:
    records = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return [
        message["content"]
        for record in records
        for message in record["messages"]
        if message["role"] == "assistant"
    ]


@pytest.mark.parametrize(
    "answer",
    [
        "Ready?",
        "Ready? ",
        'Do you say "yes?"',
        "Ready? \U0001f30d",
        "**Ready?**",
        "\u597d\u5417\uff1f",
        "Ready?!",
    ],
)
def test_a_question_at_the_end_is_seen(answer: str) -> None:
    assert ends_with_question(answer)


@pytest.mark.parametrize("answer", ["", "Ready.", "Ready? Go", "Ready? Yes!", "Why? Because"])
def test_a_statement_at_the_end_is_no_question(answer: str) -> None:
    assert not ends_with_question(answer)
