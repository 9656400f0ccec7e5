"""Examine this machine and say what is wrong."""

from __future__ import annotations

import threading
from dataclasses import asdict
from typing import TYPE_CHECKING

from edge_app.commands import output
from edge_app.commands._model import load
from edge_app.errors import EXIT_FAILED, EXIT_OK

if TYPE_CHECKING:
    from edge_app.settings.flags.doctor import Doctor


def doctor(settings: Doctor, stop: threading.Event) -> int:
    """Run `edge-app doctor`; exit code 1 if there is a problem."""
    from edge_app.doctor import checks

    findings = []
    with output.json_to(settings.json_) as write:
        for finding in checks.examine(settings.config, settings.service, load, stop):
            findings.append(finding)
            if settings.json_ != "-":
                print(f"{finding.state:<8} {finding.check:<10} {finding.says}", flush=True)
                if finding.remedy:
                    print(f"{'':<19} -> {finding.remedy}", flush=True)
        if write is not None:
            write({"findings": [asdict(finding) for finding in findings]})
    return EXIT_FAILED if any(finding.state == "problem" for finding in findings) else EXIT_OK
