"""Packaging: the package, the models as package data, the `edge-app` command, the extras."""

import re
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent
# Read, not imported: the package may need what is not installed yet.
VERSION = re.search(r'^__version__ = "(.+)"$', (HERE / "edge_app" / "__init__.py").read_text("utf-8"), re.MULTILINE)[1]

# What each extra is for stands in README.md, "Install".
SIMPLEJPEG = (
    'simplejpeg>=1.7; platform_machine in "x86_64 aarch64 AMD64 arm64"'  # where it has wheels; see pictures/_libjpeg.py
)
EXTRAS = {
    "desktop": ["opencv-python>=4.6", SIMPLEJPEG],
    "headless": ["opencv-python-headless>=4.6", SIMPLEJPEG],
    "picamera": ["picamera2>=0.3.12"],
    "train": [
        "torch>=2.8",
        "litert-torch>=0.10",
        "ai-edge-quantizer>=0.10",
        "safetensors>=0.5",
        "pooch[progress]>=1.8",
        "matplotlib>=3.8",
    ],
    # IPython 9 wants newer typing-extensions than the converter of [train] bears: pip searched for minutes.
    "notebook": ["nbclient>=0.10", "ipykernel>=6,<7.3", "ipython>=8,<9", "nbformat>=5"],
    "test": ["pytest>=8", "hypothesis>=6", "jsonschema>=4", "scikit-image>=0.25", "scikit-learn>=1.5", "pillow>=10"],
    "check": ["ruff==0.17.6", "mypy==2.4.1"],
}


class BuildPy(build_py):
    """Also copies the pinned requirements into the package, where `service install` finds those of its version."""

    def run(self) -> None:
        """Copy; an editable installation reads the checkout's own file."""
        super().run()
        if not self.editable_mode:
            for name in ("constraints.txt", "constraints-apt.txt"):
                self.copy_file(str(HERE / name), str(Path(self.build_lib, "edge_app", name)))


setup(
    name="edge-app",
    version=VERSION,
    cmdclass={"build_py": BuildPy},
    description="Point a camera at things and get labels you can trust, from a service that stays up",
    long_description=(HERE / "README.md").read_text("utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.11",
    packages=[*find_packages(include=["edge_app", "edge_app.*"]), "edge_app.models", "edge_app.systemd"],
    package_dir={"edge_app.models": "models", "edge_app.systemd": "systemd"},
    package_data={
        "edge_app.models": ["*.tflite", "*.json", "*.safetensors"],
        "edge_app.systemd": ["*.service", "*.toml"],
        "edge_app": ["py.typed"],
    },
    install_requires=[
        # The maintained TFLite runtime; where it has no wheel, install edge-app with --no-deps and tflite-runtime.
        "ai-edge-litert>=2.0",
        "numpy>=1.24",
        "pydantic>=2.7",
        "tqdm>=4.64",
    ],
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["edge-app = edge_app.__main__:main"]},
)
