"""The Pulumi program: `pulumi up` runs this file with the stack's config."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import pulumi

from core.settings import Settings, config_key, parse_settings
from infra.program import declare

config = pulumi.Config()
chosen = {config_key(name): config.get(config_key(name)) for name in Settings.model_fields}
settings = parse_settings({key: value for key, value in chosen.items() if value is not None})
for name, value in declare(settings).items():
    pulumi.export(name, value)
