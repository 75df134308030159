"""The base of what an evaluation writes to files and reads again."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict


class Record(BaseModel):
    """A frozen record that refuses unknown fields, infinities and NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def document(self) -> dict[str, Any]:
        """Give it as JSON-ready data."""
        return self.model_dump(mode="json")


def readable(text: str) -> str:
    """Join the halves of characters (surrogates) that belong together; a lone one becomes U+FFFD.

    A service may send an emoji in two pieces, or a model half of one: no file, no hash and no
    pattern takes halves.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


Text = Annotated[str, AfterValidator(readable)]
"""What a person or a model wrote: any characters, but whole ones."""
