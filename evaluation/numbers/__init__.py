"""From cases and replies to numbers: pairs, resamples, tests, judgements."""
