"""Flags of `edge-app service`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from edge_app.settings.flags._base import Command, Group
from edge_app.settings.values import Shown


class ServiceInstall(Command):
    """Install edge-app as a systemd service, start it and see that it runs.

    Builds an environment of its own in /opt/edge-app (on a Raspberry Pi one that sees apt's picamera2 and OpenCV),
    writes an example configuration to /etc/edge-app/config.toml unless there is one, installs the unit, enables and
    starts it. Installing again brings a newer edge-app in; what runs is replaced only when the new one has proved
    itself. An installation that fails or is interrupted is undone.

    Examples:
      sudo .venv/bin/edge-app service install
      sudo .venv/bin/edge-app service install --wheels /media/usb/wheels    without a network
      sudo .venv/bin/edge-app service install --network                    for rtsp:// and http:// sources
    """

    from_: Annotated[Path, Shown("PATH")] | None = Field(
        None, alias="from", description="checkout or wheel of edge-app; default: what this one was installed from"
    )
    wheels: Annotated[Path, Shown("FOLDER")] | None = Field(
        None, description="folder of wheels to install everything from, without a network"
    )
    network: bool = Field(False, description="open the sandbox for this machine and local networks")


class ServiceUninstall(Command):
    """Stop and remove the service; its settings and logs stay.

    Only what 'service install' made is removed: your own files in /etc/edge-app and /opt stay, with --purge too.

    Examples:
      sudo edge-app service uninstall
      sudo edge-app service uninstall --purge
    """

    purge: bool = Field(False, description="remove /etc/edge-app/config.toml and the logs as well")


class ServiceStatus(Command):
    """Say in words how the service is doing; exit code 0 if it runs, 1 if not, 3 if it is not installed.

    Examples:
      edge-app service status
    """


class Service(Group):
    """Install, uninstall or look at the systemd service.

    Examples:
      sudo .venv/bin/edge-app service install
      edge-app service status
    """
