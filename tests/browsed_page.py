"""A page as a browser would meet it: its tags, their attributes, and the words between them."""

from html.parser import HTMLParser


class Page(HTMLParser):
    """What a browser would meet."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.words += data

    def values(self, *names: str) -> list[str]:
        """What the attributes of these names say."""
        return [str(value) for name, value in self.attributes if name in names]

    @property
    def addresses(self) -> list[str]:
        """Where the page leads, or what it would fetch."""
        return self.values("href", "src", "action")
