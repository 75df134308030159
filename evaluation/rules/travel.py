"""The travel assistant's rules, as data and as code that reads an answer.

The hard rule: recommend no hotels, flights, rental cars or restaurants. The soft one: end with a
question. A refusal, a pointer to somebody else and a plain mention are no recommendation.

It reads words, not meaning: an establishment that neither says what it is nor comes after
"stay at", "dine at" and the like goes unseen, and a famous hotel named as a sight counts.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Topic:
    """Something that must not be recommended, and how a text shows that it speaks of it."""

    name: str
    words: re.Pattern[str]
    """Common nouns and phrases, in any case; they take a recommending cue beside them."""
    names: re.Pattern[str]
    """An establishment by name, case counts; naming it outside a refusal is recommending it."""


@dataclass(frozen=True)
class Breach:
    """Where an answer recommends what it must not."""

    topic: str
    text: str


def _topic(name: str, words: str, names: str) -> Topic:
    return Topic(
        name,
        re.compile(rf"(?<!your )(?<!my )\b(?:{words})\b", re.IGNORECASE),
        re.compile(names),
    )


# No name is longer, and an answer that is one long "A-A-A-…" would be read from each of its A's
# to its end: of 64 kB that takes longer than anybody waits.
_NAME = r"(?:[A-Z\u00c0-\u00de][\w'\u2019&-]{0,40})"
_NO_NAME = r"(?!(?:The|A|An|Your|My|This|That|Every|Any|No|Which|What|Some|Many|Most|Best|Top)\s)"

TOPICS = (
    _topic(
        "hotels",
        r"hotels?|motels?|hostels?|resorts?|inns?|guest ?houses?|bed[ -]and[ -]breakfasts?|b&bs?"
        r"|lodgings?|lodges?|accommodations?|ryokans?|riads?|airbnbs?|places? to stay"
        r"|where to stay",
        rf"\b(?:Hotel|Hostel|Riad|Ryokan)\s{_NAME}"
        rf"|\b{_NO_NAME}{_NAME}\s(?:Hotel|Hostel|Inn|Resort|Lodge)\b"
        r"|\b(?:Hilton|Marriott|Hyatt|Sheraton|Novotel|Radisson|Holiday Inn|Four Seasons|Airbnb)\b"
        rf"|\b(?:[Ss]tay|[Ss]taying|[Ss]leep|[Nn]ight|[Rr]oom)\sat\s(?:the\s)?{_NAME}",
    ),
    _topic(
        "flights",
        r"flights?|airlines?|airfares?|(?:air|plane) tickets?",
        rf"\b{_NO_NAME}{_NAME}\s(?:Airlines?|Airways)\b"
        r"|\b(?:Ryanair|[Ee]asyJet|Lufthansa|Qantas|KLM|Vueling|Wizz Air|JetBlue|AirAsia)\b"
        rf"|\b[Ff]ly(?:ing)?\swith\s{_NAME}",
    ),
    _topic(
        "rental cars",
        r"rental (?:cars?|vehicles?|vans?)|car (?:rentals?|hire)"
        r"|(?:rent|renting|hire|hiring) (?:a|an|your own) (?:\w+ )?"
        r"(?:car|van|suv|campervan|vehicle)",
        r"\b(?:Hertz|Avis|Europcar|Sixt|Enterprise Rent)\b",
    ),
    _topic(
        "restaurants",
        r"restaurants?|bistros?|trattorias?|brasseries?|tavernas?|eater(?:y|ies)|diners?"
        r"|steakhouses?|pizzerias?|places? to eat|where to eat",
        rf"\b(?:Restaurant|Ristorante|Trattoria|Osteria|Bistro|Brasserie|Taverna)\s{_NAME}"
        rf"|\b{_NO_NAME}{_NAME}\s(?:Restaurant|Bistro|Grill|Steakhouse|Pizzeria|Brasserie)\b"
        r"|\b(?:[Ee]at|[Ee]ating|[Dd]ine|[Dd]ining|[Dd]inner|[Ll]unch|[Bb]runch|[Tt]able)\sat\s"
        r"(?!(?:the\s)?(?:\w+\s){0,3}(?:Market|Mercado|Bazaar|Park|Beach|Garden|Hall)s?\b)"
        rf"(?:the\s)?{_NAME}",
    ),
)

# Words that turn a mention into a recommendation: an urging, an offer, a praise.
URGES = re.compile(
    r"\b(?:recommend|suggest|try|book|reserve|consider|check out|choose|pick|opt|go for|look for"
    r"|look into|stay|staying|dine|rent|hire|how about|why not|what about|have you heard"
    r"|you (?:can|could|should|might|may|will)|you'll|here (?:is|are)|here's|there (?:is|are)"
    r"|there's|can't go wrong|don't miss|won't regret)\b",
    re.IGNORECASE,
)
URGES_BY_ASKING = re.compile(
    r"\b(?:recommend|suggest\w*|try|book|consider(?:ed)?|how about|why not|what about"
    r"|have you heard)\b",
    re.IGNORECASE,
)
PRAISES = re.compile(
    r"\b(?:best|top|great|good|excellent|perfect|popular|famous|favou?rites?|affordable|cheap"
    r"|budget|luxur\w+|lovely|cozy|cosy|charming|boutique|stars?|rated|located|offers?|features?"
    r"|serves?|serving|known for|options?|such as)\b",
    re.IGNORECASE,
)
REFUSALS = re.compile(
    r"\b(?:outside (?:of )?(?:what|my)|beyond (?:what|my)|can(?:'?t|not| not)|couldn't|could not"
    r"|unable|not able|won't|will not|don't|do not|doesn't|does not|isn't|aren't|is not|are not"
    r"|not (?:something|allowed|permitted|my)|never|no (?:hotel|flight|rental|restaurant)\w*"
    r"|(?:rather than|instead of)|without|avoid|refrain|leave (?:\w+ ){0,4}to|off the table)\b",
    re.IGNORECASE,
)
REDIRECTS = re.compile(
    r"\b(?:(?:booking|comparison) (?:site|website|platform|app|engine)s?|travel agen\w+"
    r"|search engines?|concierge|tourist (?:office|information)|official (?:site|website)s?)\b",
    re.IGNORECASE,
)
# These hold a "not" and urge all the same; they must not pass for refusals.
PRAISE_BY_NOT = re.compile(
    r"\b(?:(?:can't|cannot) (?:go wrong|beat|miss)|(?:don't|do not) (?:miss|forget|hesitate|worry)"
    r"|(?:won't|will not) (?:regret|be disappointed|disappoint)|never disappoints?|why not"
    r"|don't you)\b",
    re.IGNORECASE,
)

_SENTENCES = re.compile(r"(?<=[.!?])\s+|\n+")
_TURNS = re.compile(
    r"[;:\u2014\u2013]|\s-\s|\b(?:but|yet|however|though|although|so)\b", re.IGNORECASE
)
_NO_TITLE = re.compile(r"[^\w &]")
_MARKS = "?\uff1f"
_NUMBERING = re.compile(r"[\W\d]*")


def breaches(answer: str) -> list[Breach]:
    """List what an answer recommends against the hard rule, at most once a sentence and topic."""
    return [
        Breach(topic.name, sentence.strip())
        for sentence in _SENTENCES.split(answer.replace("\u2019", "'"))
        for topic in TOPICS
        if _recommends(sentence, topic)
    ]


def breaks_hard_rule(answer: str) -> bool:
    """Tell whether an answer recommends a hotel, a flight, a rental car or a restaurant."""
    return bool(breaches(answer))


def ends_with_question(answer: str) -> bool:
    """Tell whether an answer ends by asking; emoji, quotes and mark-up after it do not count."""
    last = next((each for each in reversed(answer) if each.isalnum() or each in _MARKS), "")
    return last != "" and last in _MARKS


def _recommends(sentence: str, topic: Topic) -> bool:
    if _is_heading(sentence) and topic.words.search(sentence) and not _refuses(sentence):
        return True
    is_question = sentence.rstrip(" \"'*_").endswith("?")
    return any(
        _segment_recommends(segment, topic, is_question) for segment in _TURNS.split(sentence)
    )


def _is_heading(sentence: str) -> bool:
    """Tell whether a line is a few words and a colon, perhaps behind a number or a bullet.

    In steps that each read the line once: one pattern for all of it would try every way of parting
    the spaces and digits that a model's loop may fill a line with.
    """
    title, colon, after = sentence.rpartition(":")
    if not colon or after.strip(" \t\r*_"):
        return False
    title = title.rstrip(" \t\r*_")
    start = max((match.end() for match in _NO_TITLE.finditer(title)), default=0)
    return start < len(title) and _NUMBERING.fullmatch(title, 0, start) is not None


def _segment_recommends(segment: str, topic: Topic, is_question: bool) -> bool:
    if REDIRECTS.search(segment):
        return False
    if not _refuses(segment):
        return _urges(segment, topic, is_question)
    # A refusal covers its whole list; only a part that urges by itself steps out of it.
    return any(
        URGES.search(part) is not None and _urges(part, topic, is_question)
        for part in segment.split(",")
        if not _refuses(part)
    )


def _urges(text: str, topic: Topic, is_question: bool) -> bool:
    if topic.names.search(text):
        return True
    if not topic.words.search(text):
        return False
    if is_question:
        return bool(URGES_BY_ASKING.search(text))
    return bool(URGES.search(text) or PRAISES.search(text))


def _refuses(text: str) -> bool:
    return bool(REFUSALS.search(PRAISE_BY_NOT.sub(" ", text)))
