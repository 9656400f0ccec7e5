"""Point a camera at things and get labels you can trust.

    import edge_app

    print(edge_app.classify("cat.jpg").label)           # one picture: a path or an array
    model = edge_app.Classifier("cifar10-base")         # many pictures: model(picture)
    with edge_app.watch("webcam", rate=5) as results:   # a camera
        for result in results:
            print(result.label, result.confidence)

What these need is loaded when they are first used: `import edge_app` itself is light.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge_app.errors import EdgeAppError
    from edge_app.library import Classifier, classify, watch
    from edge_app.records import Result, Verdict

__version__ = "0.1.0"
__all__ = ["Classifier", "classify", "watch", "Verdict", "Result", "EdgeAppError", "__version__"]

_HOMES = {
    "Classifier": "library",
    "classify": "library",
    "watch": "library",
    "Verdict": "records",
    "Result": "records",
    "EdgeAppError": "errors",
}


def __getattr__(name: str) -> Any:
    """Load one of the names above when it is first asked for (PEP 562)."""
    if name not in _HOMES:
        # `from edge_app import cli` asks here first: only AttributeError makes Python go on to look for a submodule.
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    found = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found  # the next time it is there
    return found


def __dir__() -> list[str]:
    """Return every public name, loaded or not."""
    return sorted({*globals(), *__all__})
