"""What is left of the service when it is uninstalled. Its name puts it behind the tests that need the service."""

from __future__ import annotations

import re

from tests.vm.machine import BIN
from tests.vm.unit import Unit


def test_uninstall_leaves_nothing_but_logs(unit: Unit) -> None:
    """Unit, environment, settings and state are gone; the log is there until --purge."""
    unit.settle()
    unit.until("ok", 0)
    print(unit.run(f"{BIN}/edge-app service uninstall"))
    left = unit.run("find / -xdev -name '*edge-app*' -not -path '/proc/*' -not -path '/mnt/*' 2> /dev/null")
    kept = [line for line in left.splitlines() if not line.startswith("/opt/tried")]
    print(kept)
    assert kept and all(re.match(r"/var/log/(private/)?edge-app|/var/log/journal", line) for line in kept)
    unit.run(f"{BIN}/edge-app service uninstall --purge; test ! -e /var/log/private/edge-app")
