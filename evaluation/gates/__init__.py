"""Whether it is good enough: thresholds as YAML, and which of several to take."""
