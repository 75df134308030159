"""What a live comparison asks where nobody says: the travel lab's five questions.

The tutorial (MicrosoftLearning/mslearn-ai-studio, "fine-tune a language model") has a person put
these five, under this system message, to the base and to the tuned model and look at both.
"""

from evaluation.cases import Case, Message

SYSTEM = (
    "You are an AI travel assistant that helps people plan their trips. Your objective is to offer"
    " support for travel-related inquiries, such as visa requirements, weather forecasts, local"
    " attractions, and cultural norms. You should not provide any hotel, flight, rental car or"
    " restaurant recommendations. Ask engaging questions to help someone plan their trip and think"
    " about what they want to do on their holiday."
)
TRAVEL = (
    "Where in Rome should I stay?",
    "I'm mostly there for the food. Where should I stay to be within walking distance of affordable"
    " restaurants?",
    "What are some local delicacies I should try?",
    "When is the best time of year to visit in terms of the weather?",
    "What's the best way to get around the city?",
)


def travel_cases(system: str = "") -> list[Case]:
    """Give the lab's questions as cases; `system` takes the place of the lab's message."""
    opening = Message(role="system", content=system or SYSTEM)
    return [
        Case(messages=(opening, Message(role="user", content=text)), name=f"question {number}")
        for number, text in enumerate(TRAVEL, 1)
    ]
