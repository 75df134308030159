"""Training data in the forms that people have it in, read as the one form that is trained on.

    for line in formats.read("faq.csv", columns={"user": "question", "assistant": "answer"}):
        line.number, line.content, line.fault

A source is a file or a hub data set (`hub:owner/name`). Where its records lie (JSONL, a JSON
list, CSV, Parquet) is a container, what a record looks like is a form; any form may lie in any
container. Nothing here judges whether a chat is fit for training: that is `training.data.check`.
"""

from training.data.formats.form import FORMATS, Format, SourceLine
from training.data.formats.source import Source, detect, open_source, read

__all__ = ["FORMATS", "Format", "Source", "SourceLine", "detect", "open_source", "read"]
