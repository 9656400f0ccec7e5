"""Measure what a frame costs."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

from edge_app.commands import output
from edge_app.errors import EXIT_OK, UsageError

if TYPE_CHECKING:
    from edge_app.settings.flags.bench import Bench


def bench(settings: Bench, stop: threading.Event) -> int:
    """Run `edge-app bench`."""
    from edge_app.bench import plot, report, run

    if settings.single_stream:
        return _single_stream(settings)
    if settings.plot:
        # A missing plotting library must be reported before the measurement, not after it.
        plot.require(settings.plot)
    older = report.read(settings.compare) if settings.compare else None
    with output.json_to(settings.json_) as write_json, output.file_to(settings.plot) as write_plot:
        found = run.bench(settings, older, output.progress)
        for line in report.to_text(found) if settings.json_ != "-" else ():
            print(line)
        # With --json - stdout must stay a single JSON document.
        for line in report.compare(found, older) if older else ():
            print(line, file=sys.stderr if settings.json_ == "-" else sys.stdout)
        if write_json is not None:
            write_json(report.to_json(found))
        if write_plot is not None and settings.plot:
            write_plot(plot.render(found, settings.plot.suffix))
    return EXIT_OK


def _single_stream(settings: Bench) -> int:
    from edge_app.bench import machine, single_stream
    from edge_app.data import dataset
    from edge_app.settings.flags.bench import ONLY_FRAMES

    unused = [f"--{name.replace('_', '-')}" for name in ONLY_FRAMES if name in settings.model_fields_set]
    if unused:
        raise UsageError(
            f"--single-stream has no use for {', '.join(unused)}", f"leave {'it' if len(unused) == 1 else 'them'} out"
        )
    before, about = machine.moment(), machine.describe()
    source, results = dataset.find(settings.data), []
    with output.json_to(settings.json_) as write:
        for result in single_stream.measure(settings, source, output.progress):
            results.append(result)
            if settings.json_ != "-":
                print(result, flush=True)
        after = machine.moment()
        for doubt in machine.doubts(about, before, after):
            print(f"doubtful: {doubt}", file=sys.stderr)
        if write is not None:
            write(single_stream.to_json(results, about, before, after))
    return EXIT_OK
