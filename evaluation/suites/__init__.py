"""What is asked and how it is judged, as YAML: rules, safety prompts, decoding, what decides."""
