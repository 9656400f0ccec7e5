"""Install, adjust, uninstall or show the systemd service."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from edge_app.errors import EXIT_FAILED, EXIT_NO_START, EXIT_OK

if TYPE_CHECKING:
    from edge_app.settings.flags.service import ServiceDoors, ServiceInstall, ServiceStatus, ServiceUninstall


def install(settings: ServiceInstall, stop: threading.Event) -> int:
    """Run `edge-app service install`."""
    from edge_app.service import install
    from edge_app.system import process

    # A second signal would otherwise kill the process and leave half an installation.
    process.outlast_signals()
    print(install.install(settings, stop))
    return EXIT_OK


def doors(settings: ServiceDoors, stop: threading.Event) -> int:
    """Run `edge-app service doors`."""
    from edge_app.service import install

    for line in install.open_doors(settings, stop):
        print(line)
    return EXIT_OK


def uninstall(settings: ServiceUninstall, stop: threading.Event) -> int:
    """Run `edge-app service uninstall`."""
    from edge_app.service import install

    for path in install.uninstall(settings.purge):
        print(f"removed {path}")
    return EXIT_OK


def status(settings: ServiceStatus, stop: threading.Event) -> int:
    """Run `edge-app service status`."""
    from edge_app.service import systemd

    found = systemd.show()
    print(systemd.describe(found))
    # systemctl show succeeds for a unit that does not exist, too: only LoadState tells.
    if found.get("LoadState", "not-found") == "not-found":
        return EXIT_NO_START
    return EXIT_OK if found.get("ActiveState") == "active" else EXIT_FAILED
