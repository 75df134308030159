"""docs/settings.md is what the model says."""

from core.settings_page import FILE, page


def test_the_page_of_settings_is_current() -> None:
    assert FILE.read_text(encoding="utf-8") == page(), "run: python -m core.settings_page"
