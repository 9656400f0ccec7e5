"""What is left of the service when it is uninstalled. Its name puts it behind the tests that need the service."""

from __future__ import annotations

import re

from tests.vm.machine import BIN
from tests.vm.unit import Unit


def test_uninstall_leaves_nothing_but_settings_and_logs(unit: Unit) -> None:
    """Unit, environment and state are gone; settings and log are there until --purge; neighbours in /opt stay."""
    unit.settle()
    unit.until("ok", 0)
    unit.run("mkdir -p /opt/edge-app-models && touch /opt/edge-app-models/my.tflite")
    print(unit.run(f"{BIN}/edge-app service uninstall"))
    unit.run("rm /opt/edge-app-models/my.tflite && rmdir /opt/edge-app-models")  # fails if it is not there
    left = unit.run("find / -xdev -name '*edge-app*' -not -path '/proc/*' -not -path '/mnt/*' 2> /dev/null")
    kept = [line for line in left.splitlines() if not line.startswith("/opt/tried")]
    print(kept)
    assert kept and all(re.match(r"/etc/edge-app|/var/log/(private/)?edge-app|/var/log/journal", line) for line in kept)
    unit.run(f"{BIN}/edge-app service uninstall --purge; test ! -e /var/log/private/edge-app -a ! -e /etc/edge-app")
