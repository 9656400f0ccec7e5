"""Flags of `edge-app service`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from edge_app.settings.flags._base import Command, Group
from edge_app.settings.values import Shown

_NETWORK = "let the service reach local networks even if its settings name no stream yet"


class ServiceInstall(Command):
    """Install edge-app as a systemd service, start it and check that it runs.

    Builds a separate environment in /opt/edge-app (on a Raspberry Pi with access to apt's picamera2 and OpenCV), writes
    an example configuration to /etc/edge-app/config.toml unless one exists, installs the unit, enables and starts it.
    Installing again upgrades edge-app; the new version replaces the running one only after its self-test has passed and
    it has run with the service's settings and model. What the settings need beyond the service's sandbox is allowed,
    see 'edge-app service doors'. An installation that fails or is interrupted is undone.

    Examples:
      sudo .venv/bin/edge-app service install
      sudo .venv/bin/edge-app service install --wheels /media/usb/wheels    without a network
    """

    from_: Annotated[Path, Shown("PATH")] | None = Field(
        None,
        alias="from",
        description="checkout or wheel of edge-app; default: the one that this edge-app was installed from",
    )
    wheels: Annotated[Path, Shown("FOLDER")] | None = Field(
        None, description="install everything from this folder of wheels, without a network; you vouch for it"
    )
    network: bool = Field(False, description=_NETWORK)


class ServiceDoors(Command):
    """Let the service reach what its settings need, and nothing else; restart it if that changes anything.

    The service runs in a sandbox without a network, which sees no other disks and writes only its own folders. For each
    thing that /etc/edge-app/config.toml needs beyond that, this command and 'service install' write a drop-in for
    systemd, and remove it when it is no longer needed. Your own drop-ins stay as they are.

    Examples:
      sudo edge-app service doors
    """

    network: bool = Field(False, description=_NETWORK)


class ServiceUninstall(Command):
    """Stop and remove the service, but keep its settings and logs.

    Only what 'service install' made is removed: your own files in /etc/edge-app and /opt stay, even with --purge.

    Examples:
      sudo edge-app service uninstall
      sudo edge-app service uninstall --purge
    """

    purge: bool = Field(False, description="also remove /etc/edge-app/config.toml, its group and the logs")


class ServiceStatus(Command):
    """Report the state of the service; the exit code is 0 if it runs, 1 if not, 3 if it is not installed.

    Examples:
      edge-app service status
    """


class Service(Group):
    """Install, adjust, uninstall or inspect the systemd service.

    Examples:
      sudo .venv/bin/edge-app service install
      edge-app service status
    """
