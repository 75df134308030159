"""Rules about exit codes: what is left where a program had no time to say anything."""

from training.explain.evidence import Confidence, rule
from training.explain.program import LESS_MEMORY

EXIT = r"(exit(ed)?( with)?( status)?[ _]?codes?|ended with|status code)[\s\":]*"

EXITS = (
    # What Azure ML writes of a killed process was not found published; Linux's 137 is 128 + 9.
    rule(
        "oom-cpu",
        rf"{EXIT}(137|-9)\b|^Killed$|Killed\s+python|OOMKilled|oom-kill",
        "the program was killed from outside (137), which is what Linux does when a node's memory"
        " is full",
        LESS_MEMORY,
        Confidence.LIKELY,
    ),
    rule(
        "stopped-by-node",
        rf"{EXIT}(75|143|-15)\b",
        "the node asked the program to stop",
        "Submit it again; its checkpoints are kept.",
        Confidence.LIKELY,
    ),
    rule(
        "crashed",
        rf"{EXIT}(139|134|-11|-6)\b|Segmentation fault",
        "a library crashed in its own machine code",
        "Try again; if it stays, compare the library versions with the last run that went through.",
        Confidence.LIKELY,
    ),
    rule(
        "command-not-found",
        rf"{EXIT}127\b",
        "the job's image does not hold the command that the job starts with",
        "Look at the image in training/job/environment.json.",
        Confidence.LIKELY,
    ),
)
