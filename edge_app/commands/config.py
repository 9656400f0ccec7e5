"""Print the effective settings."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

from edge_app.errors import EXIT_OK
from edge_app.secret import masked, masked_value
from edge_app.settings import layers, sections

if TYPE_CHECKING:
    from edge_app.settings.flags.config import Config


def config(settings: Config, stop: threading.Event) -> int:
    """Run `edge-app config`."""
    found = layers.load(settings.config, for_service=settings.service)
    for section, fields in sections.SECTIONS.items():
        print(f"[{section}]")
        for name in fields.model_fields:
            setting = found[name]
            # Not only addresses: one may stand in the wrong place, such as a model's.
            shown = json.dumps(masked_value(setting.value), default=str)
            text = "# not set" if setting.value is None else f"{name} = {shown}"
            print(f"{text if setting.value is not None else f'# {name} is not set':<40}  # {masked(setting.origin)}")
        print()
    return EXIT_OK
