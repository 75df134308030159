"""YAML files that a person writes: read strictly, checked whole, every finding with its path.

A finding is `FILE: path.in.the.yaml: reason`, with the key that was probably meant or a value that
works: a field's `examples` in its model.
"""

import difflib
import re
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from core.errors import SettingsError

Checked = TypeVar("Checked", bound=BaseModel)


MOST_BYTES = 1_000_000
"""Of a file that a person writes; PyYAML takes some five seconds for so much."""
MOST_TOLD = 100
"""Findings that an error lists; it counts the rest."""


class StrictLoader(yaml.SafeLoader):
    """Refuses a key given twice, where YAML would quietly keep the last one.

    Merge keys (`<<`) are refused, too: nine lines of them can stand for billions of keys.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Make a mapping of a node whose keys are all different."""
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                raise _refusal("`<<` is not read: write the keys out", key_node)
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                continue  # the loader's own to refuse
            if key in seen:
                raise _refusal(f"{key!r} is given twice", key_node)
            seen.add(key)
        return super().construct_mapping(node, deep)

    def construct_scalar(self, node: Any) -> Any:
        """Make a scalar; half a character, as an escape can name it, is in no file again."""
        value = super().construct_scalar(node)
        if not value.isascii() and any("\ud800" <= sign <= "\udfff" for sign in value):
            raise _refusal("holds half a character (a lone surrogate)", node)
        return value


def _refusal(problem: str, node: yaml.Node) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)


def read_text(path: Path) -> str:
    """Read a text file, with or without a byte-order mark.

    Raises:
        SettingsError: it cannot be read, is not UTF-8, or larger than anybody writes by hand.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise SettingsError(
                f"{path}: more than {MOST_BYTES // 1000:,} kB: is this the file that you meant?"
            )
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: not UTF-8 text: {error.reason}") from error
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error


def mapping_of(text: str, where: str, what: str) -> dict[str, Any]:
    """Read YAML that is one mapping; `what` says of which thing, as in "a suite".

    Raises:
        SettingsError: it is no YAML, gives a key twice, or is something else than a mapping.
    """
    try:
        document = yaml.load(text, Loader=StrictLoader)
    except RecursionError as error:
        raise SettingsError(f"{where}: nested deeper than can be read") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise SettingsError(f"{where}, line {line}: {error.problem}") from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date such as 2026-13-40
        raise SettingsError(f"{where}: {error}") from error
    except (ArithmeticError, AttributeError, LookupError, TypeError) as error:
        # What the loader lets fall for `!!int ""`, `!!bool so`, `"\\UFFFFFFFF"`.
        raise SettingsError(f"{where}: a tag (!!…) or an escape (\\U…) is not one") from error
    if not isinstance(document, dict):
        found = "an empty file" if document is None else f"a {type(document).__name__}"
        raise SettingsError(f"{where}: {what} is a mapping of keys, not {found}")
    return document


def checked(kind: type[Checked], document: Mapping[str, Any], where: str) -> Checked:
    """Make a record of a document.

    Raises:
        SettingsError: every finding, one a line; of very many the first.
    """
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        lines = [f"{where}: {line}" for line in findings_of(error, kind, document)]
        if more := lines[MOST_TOLD:]:
            lines[MOST_TOLD:] = [f"{where}: and {len(more):,} findings more"]
        raise SettingsError("\n".join(lines)) from error


def findings_of(error: ValidationError, kind: type[BaseModel], document: Any) -> list[str]:
    """Write each finding as `path: reason`, with what would have been right."""
    items = error.errors(include_url=False)
    return [
        f"{'.'.join(map(str, item['loc']))}: {_reason(item, kind, document)}".removeprefix(": ")
        for item in items
        if not _follows(item, items)
    ]


def nearest(word: str, choices: Iterable[str]) -> str:
    """Give ` Did you mean X?`, or nothing where no choice is near."""
    near = difflib.get_close_matches(word, list(choices), n=1, cutoff=0.6)
    return f" Did you mean {near[0]}?" if near else ""


def _follows(item: Any, items: Iterable[Any]) -> bool:
    """Tell whether a list is too short only because its entries are wrong, which is told."""
    path = item["loc"]
    beneath = (other["loc"][: len(path)] == path and other["loc"] != path for other in items)
    return item["type"] == "too_short" and any(beneath)


def _reason(item: Any, kind: type[BaseModel], document: Any) -> str:
    reason = str(item["msg"]).removeprefix("Value error, ")
    reason = re.sub(r" or instance of \w+", "", reason.replace("valid tuple", "valid list"))
    *above, last = item["loc"] or ("",)
    around = _model_at(kind, document, above)
    fields = {} if around is None else _fields(around)
    if item["type"] == "extra_forbidden":
        meant = nearest(str(last), fields) or f" There are: {', '.join(fields)}."
        return f"there is no such key.{meant}"
    example = _example(kind, document, item["loc"])
    is_told = not example or any(word in reason for word in ("for example", "such as", "Did you"))
    return reason if is_told else f"{reason.removesuffix('.')}; for example {example}"


def _example(kind: type[BaseModel], document: Any, path: tuple[Any, ...]) -> str:
    """Give the example of the innermost field on the way that has one."""
    for length in range(len(path), 0, -1):
        around = _model_at(kind, document, path[: length - 1])
        field = _fields(around).get(str(path[length - 1])) if around else None
        if field is not None:
            return str(field.examples[0]) if field.examples else ""
    return ""


def _fields(kind: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in kind.model_fields.items()}


def _model_at(kind: Any, value: Any, path: Iterable[Any]) -> type[BaseModel] | None:
    """Go down a path; None where it leads to something that is no record.

    A record that stands for several kinds says which one by a classmethod `kind_of(value)`.
    """
    for key in path:
        kind = _kind_of(kind, value)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            field = _fields(kind).get(str(key))
            kind = field.annotation if field else None
        else:
            kind = next(iter(get_args(kind)), None)
        value = _inside(value, key)
    kind = _kind_of(kind, value)
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _kind_of(kind: Any, value: Any) -> Any:
    for part in get_args(kind):  # `Thing | None`, Annotated[Thing, …]
        if isinstance(part, type) and issubclass(part, BaseModel) and isinstance(value, dict):
            kind = part
    return kind.kind_of(value) if hasattr(kind, "kind_of") else kind


def _inside(value: Any, key: Any) -> Any:
    try:
        return value[key]
    except (LookupError, TypeError):
        return None
