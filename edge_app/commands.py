"""What each command does: from its settings to what it prints and its exit code."""

from __future__ import annotations

import importlib.util
import json
import shlex
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from edge_app import __version__, command_line, config, output
from edge_app.errors import EXIT_FAILED, EXIT_NO_START, EXIT_OK, DependencyMissing, UsageError
from edge_app.masking import masked_value

if TYPE_CHECKING:
    from edge_app.classifier import Classifier
    from edge_app.evaluate import Scored
    from edge_app.flags.app import App
    from edge_app.flags.bench import Bench
    from edge_app.flags.config import Config
    from edge_app.flags.doctor import Doctor
    from edge_app.flags.evaluate import Evaluate
    from edge_app.flags.models import ModelsList, ModelsSchema, ModelsShow, ModelsVerify
    from edge_app.flags.run import Run
    from edge_app.flags.service import ServiceInstall, ServiceStatus, ServiceUninstall
    from edge_app.flags.sources import Sources
    from edge_app.flags.train import Train
    from edge_app.model_card import Card
    from edge_app.records import LabelledPictures


def _classifier(options: config.ModelOptions, stop: threading.Event) -> Classifier:
    from edge_app import classifier

    ends = None
    if options.input_range:
        low, high = (float(part) for part in options.input_range.split(","))
        ends = low, high
    how = classifier.Options(options.runtime, options.delegate, options.threads, ends)
    return classifier.load(options.model, options.labels, how, stop)


def _run(settings: Run, stop: threading.Event) -> int:
    from edge_app import session

    def reread() -> Run:
        found: Run = command_line.settle(*command_line.parse(sys.argv[1:]))
        return found

    return session.run(settings, stop, reread, _classifier)


def _list_sources(settings: Sources, stop: threading.Event) -> int:
    from edge_app import sources

    found = list(sources.discover())
    for camera in found:
        print(f"{camera.select}  {camera.title}")
        for line in camera.modes:
            print(f"    {line}")
        if camera.problem:
            print(f"    {camera.problem}")
    if not found:
        print("no camera found", file=sys.stderr)
    print("synthetic  drawn scenes of the ten classes, always there")
    return EXIT_OK


def _list_models(settings: ModelsList, stop: threading.Event) -> int:
    from edge_app import model_card

    for name in model_card.shipped():
        model = model_card.read(name)
        accuracy = model.card.accuracy.test_int8 if model.card else None
        shown = "accuracy not measured" if accuracy is None else f"{accuracy:.2%} on CIFAR-10's test pictures"
        print(f"{name:<18} {len(model.content):>9,} bytes  {shown}")
    return EXIT_OK


def _show_model(settings: ModelsShow, stop: threading.Event) -> int:
    classifier = _classifier(settings, stop)
    card = classifier.card
    facts = {
        "runtime": classifier.runtime,
        "delegate": settings.delegate,
        "operators_delegated": classifier.delegation.delegated if classifier.delegation else None,
        "operators_total": classifier.delegation.total if classifier.delegation else None,
    }
    with output.json_to(settings.json_) as write:
        if write:
            write({"card": card.model_dump() if card else None, "here": facts})
    if settings.json_ != "-":
        _print_model(classifier, card)
    return EXIT_OK


def _print_model(classifier: Classifier, card: Card | None) -> None:
    delegation = classifier.delegation
    rows = [("model", classifier.name), ("input", "{}x{} RGB".format(*reversed(classifier.shape)))]
    if card:
        rows += [
            ("what", card.description),
            ("accuracy", ", ".join(_accuracies(card))),
            (
                "size",
                f"{card.file.bytes:,} bytes, {card.training.parameters:,} parameters, {card.training.macs:,} MACs",
            ),
            ("temperature", f"{card.temperature:.3f}"),
            ("thresholds", f"named from {card.thresholds.enter:.2f}, kept down to {card.thresholds.leave:.2f}"),
            ("training", f"{card.training.recipe}, {card.training.epochs} epochs, seed {card.training.seed}"),
            ("self-test", f"possible on {card.golden.kernels}"),
            ("license", card.license),
            ("sha256", card.file.sha256),
        ]
    rows += [
        ("labels", ", ".join(classifier.labels)),
        ("runtime", classifier.runtime),
        ("delegated", f"{delegation} operators run in XNNPACK" if delegation else "unknown"),
    ]
    for name, value in rows:
        print(f"{name:<12} {value}")


def _accuracies(card: Card) -> Iterator[str]:
    for name, share in card.accuracy.model_dump().items():
        if isinstance(share, float):
            yield f"{name} {share:.2%}"


def _verify_model(settings: ModelsVerify, stop: threading.Event) -> int:
    from edge_app import model_card, self_test

    classifier = _classifier(settings, stop)
    card = classifier.card
    print(f"{classifier.name}: loads and runs on {classifier.runtime}, {len(classifier.labels)} labels")
    if card is None:
        print("no card: nothing to check its checksum and self-test against")
        return EXIT_OK
    print(f"checksum matches its card; {self_test.check(classifier, card.golden)}")
    if model_card.check_weights(classifier.path, card):
        print("float weights match its card")
    return EXIT_OK


def _print_schema(settings: ModelsSchema, stop: threading.Event) -> int:
    from edge_app import model_card

    print(model_card.json_schema(), end="")
    return EXIT_OK


def _evaluate(settings: Evaluate, stop: threading.Event) -> int:
    """Measure what was asked for, one pass over the pictures after the other."""
    from edge_app import dataset, degrade, evaluate, report

    source = dataset.find(settings.data)
    classifier = _classifier(settings, stop)
    data = source.read("test", classifier.shape).first(settings.limit)
    with output.json_to(settings.json_) as write_json, output.file_to(settings.html) as write_html:
        if write_html:
            report.check_plots()
        direct, degraded, camera = None, {}, {}
        if settings.path in ("both", "direct"):
            with output.progress("direct", len(data.labels)) as progress:
                direct = evaluate.score(classifier, data, progress=progress)
            for name, change in degrade.STANDARD.items() if settings.degraded else ():
                with output.progress(name, len(data.labels)) as progress:
                    degraded[name] = evaluate.score(classifier, data, change, progress).accuracy
        for name in ("camera",) if settings.path == "both" else (settings.path,):
            if name != "direct":
                full = evaluate.camera_path_full if name == "camera-full" else evaluate.camera_path
                with output.progress(name, len(data.labels)) as progress:
                    camera[name] = full(classifier, data, progress)
        found = report.Report(
            model=classifier.name,
            runtime=classifier.runtime,
            command=shlex.join(["edge-app", *sys.argv[1:]]),
            data=data,
            labels=classifier.labels,
            temperature=classifier.card.temperature if classifier.card else 1.0,
            direct=direct,
            float_=_float_scores(classifier, data) if direct else None,
            camera=camera,
            degraded=degraded,
        )
        if settings.json_ != "-":
            print("\n".join(report.to_text(found)))
        if write_json:
            write_json(report.to_json(found))
        if write_html:
            write_html(report.to_html(found))
    return EXIT_OK


def _float_scores(classifier: Classifier, data: LabelledPictures) -> Scored | None:
    """Score with the float weights that lie beside a model, where they do and PyTorch is installed."""
    from edge_app import dataset, evaluate, model_card

    card = classifier.card
    if card is None or card.weights is None or not model_card.check_weights(classifier.path, card):
        return None
    if any(importlib.util.find_spec(package) is None for package in ("torch", "safetensors")):
        return None
    from edge_app.train import fit, weights

    network = weights.read(str(classifier.path.with_name(card.weights.name))).network()
    return evaluate.Scored(fit.logits(network, data.pictures).numpy(), dataset.places(data, classifier.labels))


def _bench(settings: Bench, stop: threading.Event) -> int:
    from edge_app.bench import plot, report, run

    if settings.single_stream:
        return _single_stream(settings)
    if settings.plot:
        plot.require(settings.plot)
    request = run.Request(
        models=tuple(dict.fromkeys(settings.model)),
        labels=settings.labels,
        threads=tuple(dict.fromkeys(settings.threads)),
        delegates=tuple(dict.fromkeys(settings.delegate)),
        runtime=settings.runtime,
        source=settings.source,
        pictures=settings.pictures,
        kind=settings.kind,
        sizes_px=tuple(dict.fromkeys(map(config.pixels, settings.size))),
        outlets=tuple(settings.sink),
        frames=settings.frames,
        repetitions=settings.repetitions,
        against_classic=settings.against_classic,
        older=report.read(settings.compare) if settings.compare else None,
    )
    with output.json_to(settings.json_) as write_json, output.file_to(settings.plot) as write_plot:
        found = run.bench(request, output.progress)
        for line in report.to_text(found) if settings.json_ != "-" else ():
            print(line)
        for line in report.compare(found, request.older) if request.older else ():
            print(line, file=sys.stderr if settings.json_ == "-" else sys.stdout)
        if write_json is not None:
            write_json(report.to_json(found))
        if write_plot is not None and settings.plot:
            write_plot(plot.render(found, settings.plot.suffix))
    return EXIT_OK


def _single_stream(settings: Bench) -> int:
    from edge_app import dataset
    from edge_app.bench import machine, single_stream
    from edge_app.flags.bench import ONLY_FRAMES

    useless = [f"--{name.replace('_', '-')}" for name in ONLY_FRAMES if name in settings.model_fields_set]
    if useless:
        raise UsageError(f"--single-stream has no use for {', '.join(useless)}")
    before, about = machine.moment(), machine.describe()
    source, results = dataset.find(settings.data), []
    request = single_stream.Request(
        tuple(settings.model), settings.labels, tuple(settings.threads), tuple(settings.delegate), settings.runtime
    )
    with output.json_to(settings.json_) as write:
        for result in single_stream.measure(request, source, output.progress):
            results.append(result)
            if settings.json_ != "-":
                print(result, flush=True)
        after = machine.moment()
        for doubt in machine.doubts(about, before, after):
            print(f"doubtful: {doubt}", file=sys.stderr)
        if write is not None:
            write(single_stream.to_json(results, about, before, after))
    return EXIT_OK


def _train(settings: Train, stop: threading.Event) -> int:
    from edge_app import dataset, model_card

    try:
        from edge_app.train import make
    except ImportError as error:
        raise DependencyMissing(
            f"training needs {error.name}, which is not installed: pip install 'torch==2.13.0', "
            "then pip install 'edge-app[train]'"
        ) from error
    path = make.make(
        make.Request(
            recipe=settings.recipe,
            source=dataset.find(settings.data),
            out=settings.out,
            name=settings.name,
            epochs=settings.epochs,
            seed=settings.seed,
            side_px=settings.size,
            begin_from=settings.from_,
            rate=settings.rate,
            device=settings.device,
            threads=settings.threads,
            restart=settings.restart,
            reference=tuple(settings.reference),
            command=shlex.join(["edge-app", *sys.argv[1:]]),
        ),
        stop,
    )
    card = model_card.read(str(path)).card
    assert card is not None  # noqa: S101  # narrows the type; `make` has just written it
    print(f"{path}: {card.file.bytes:,} bytes, " + ", ".join(_accuracies(card)))
    return EXIT_OK


def _examine(settings: Doctor, stop: threading.Event) -> int:
    from edge_app import doctor

    findings = []
    with output.json_to(settings.json_) as write:
        for finding in doctor.examine(settings.config, settings.service, _classifier, stop):
            findings.append(finding)
            if settings.json_ != "-":
                print(f"{finding.state:<8} {finding.check:<10} {finding.says}", flush=True)
                if finding.remedy:
                    print(f"{'':<19} -> {finding.remedy}", flush=True)
        if write is not None:
            write({"findings": [asdict(finding) for finding in findings]})
    return EXIT_FAILED if any(finding.state == "problem" for finding in findings) else EXIT_OK


def _install_service(settings: ServiceInstall, stop: threading.Event) -> int:
    from edge_app import install

    print(install.install(install.Order(settings.from_, settings.wheels, settings.network)))
    return EXIT_OK


def _uninstall_service(settings: ServiceUninstall, stop: threading.Event) -> int:
    from edge_app import install

    for path in install.uninstall(settings.purge):
        print(f"removed {path}")
    return EXIT_OK


def _show_service(settings: ServiceStatus, stop: threading.Event) -> int:
    from edge_app import install

    found = install.show()
    print(install.describe(found))
    if found.get("LoadState") != "loaded":
        return EXIT_NO_START
    return EXIT_OK if found.get("ActiveState") == "active" else EXIT_FAILED


def _show_config(settings: Config, stop: threading.Event) -> int:
    layers = config.load(settings.config, for_service=settings.service)
    for section, fields in config.SECTIONS.items():
        print(f"[{section}]")
        for name in fields.model_fields:
            setting = layers[name]
            shown = json.dumps(masked_value(setting.value), default=str)
            text = "# not set" if setting.value is None else f"{name} = {shown}"
            print(f"{text if setting.value is not None else f'# {name} is not set':<40}  # {setting.origin}")
        print()
    return EXIT_OK


def _overview(settings: App, stop: threading.Event) -> int:
    from edge_app import classifier

    try:
        package, module = classifier.import_runtime("auto")
        runtime = f"{package} {classifier.version_of(module)}"
    except DependencyMissing:
        runtime = "none installed"
    print(f"edge-app {__version__}, runtime {runtime}, model {config.ModelOptions().model}")
    return EXIT_OK


COMMANDS: dict[str, Callable[[Any, threading.Event], int]] = {
    "": _overview,
    "run": _run,
    "sources": _list_sources,
    "models list": _list_models,
    "models show": _show_model,
    "models verify": _verify_model,
    "models schema": _print_schema,
    "evaluate": _evaluate,
    "bench": _bench,
    "train": _train,
    "doctor": _examine,
    "service install": _install_service,
    "service uninstall": _uninstall_service,
    "service status": _show_service,
    "config": _show_config,
}
