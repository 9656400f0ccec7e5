"""Print version, runtime and default model."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from edge_app import __version__
from edge_app.errors import EXIT_OK, DependencyMissing
from edge_app.settings import sections

if TYPE_CHECKING:
    from edge_app.settings.flags.app import App


def version(settings: App, stop: threading.Event) -> int:
    """Run `edge-app --version`."""
    from edge_app.model import runtime

    try:
        package, module = runtime.import_runtime("auto")
        found = f"{package} {runtime.version_of(module)}"
    except DependencyMissing:
        found = "none installed"
    print(f"edge-app {__version__}, runtime {found}, model {sections.ModelOptions().model}")
    return EXIT_OK
