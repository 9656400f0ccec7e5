"""As sitecustomize.py: a webcam whose capture call never returns once /run/hang is there, as in a hung driver."""

import threading
from pathlib import Path

try:
    from edge_app.sources.webcam import Webcam
except ImportError:  # another program of this Python
    pass
else:
    read = Webcam.read

    def hang_on_demand(self):
        """Wait for ever, or read."""
        if Path("/run/hang").exists():
            threading.Event().wait()
        return read(self)

    Webcam.read = hang_on_demand
