"""A Debian machine in QEMU with this checkout's edge-app installed in it (see README.md)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.vm.qemu import ARCH, VM_DIR, Qemu

ROOT = Path(__file__).parents[2]
GUEST_PYTHON = "3.13"  # Debian 13's
# Of the wheels: what Debian 13's glibc 2.41 runs.
PROCESSOR = {"amd64": "x86_64", "arm64": "aarch64"}[ARCH]
PLATFORMS = [f"manylinux{glibc}_{PROCESSOR}" for glibc in ("2014", "_2_17", "_2_27", "_2_28", "_2_34")]
BIN = "/opt/tried/bin"  # /opt/edge-app is what `service install` makes
SHARE = "/mnt/share"


@dataclass(frozen=True)
class Image:
    """What a machine boots from and what is installed in it.

    Attributes:
        name: of the image.
        debian: packages besides those every image has.
        sees_debian: whether edge-app's environment sees Debian's Python packages.
        wheels: packages from PyPI that edge-app's wheel does not ask for itself.
        sources: the same, where PyPI has no wheel.
    """

    name: str
    debian: tuple[str, ...] = ()
    sees_debian: bool = False
    wheels: tuple[str, ...] = ("opencv-python-headless",)
    sources: tuple[str, ...] = ()


@dataclass
class Machine:
    """One machine.

    Attributes:
        image: what it boots from.
        was_running: an earlier run of the tests left it running (`KEEP=1`).
    """

    image: Image
    was_running: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.qemu = Qemu(self.image.name, self.image.debian)

    @property
    def share(self) -> Path:
        """Folder on the host that is `guest_share` in the guest."""
        return self.qemu.share

    @property
    def guest_share(self) -> str:
        """Folder in the guest that is `share` on the host."""
        return SHARE

    def start(self) -> None:
        """Build the image if there is none, boot, install edge-app. A machine that runs already is used as it is."""
        self.qemu.build()
        self.was_running = self.qemu.is_running
        if not self.was_running:
            self.qemu.boot()
        started_s = time.monotonic()
        self._install()
        print(f"{self.qemu.folder.name}: edge-app installed in {time.monotonic() - started_s:.0f} s")

    def stop(self) -> None:
        """Power off, unless it ran before or is to be kept."""
        if not (self.was_running or os.environ.get("KEEP")):
            self.qemu.power_off()

    def run(self, script: str, timeout_s: float = 180, is_checked: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a bash script in the guest as root.

        Raises:
            AssertionError: it ended with an error, and `is_checked`.
        """
        done = self.qemu.run(script, timeout_s)
        if is_checked:
            assert done.returncode == 0, f"{script}\nended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done

    def _install(self) -> None:
        """Make a virtual environment in the guest and install this checkout's wheel in it, offline."""
        wheels = self.share / "wheels"
        self.qemu.empty_share()
        wheels.mkdir()
        for file in self._downloaded():
            shutil.copy(file, wheels)
        own = build_wheel(self.share)
        shutil.copytree(Path(__file__).parent / "guest", self.share / "guest")
        pip = f"{BIN}/pip install -q --disable-pip-version-check --no-index --find-links {self.guest_share}/wheels"
        system = "--system-site-packages" if self.image.sees_debian else ""
        sdists = "".join(f"{pip} --no-build-isolation {name}\n" for name in self.image.sources)
        self.run(
            f"""set -e
            [ -x {BIN}/python ] || python3 -m venv {system} /opt/tried
            {sdists}
            {pip} {" ".join(self.image.wheels)} {self.guest_share}/{own.name}
            {pip} --force-reinstall --no-deps {self.guest_share}/{own.name}""",
            timeout_s=900,
        )

    def _downloaded(self) -> list[Path]:
        """Fetch what the wheel needs for the guest's Python; pip leaves alone what is there already."""
        folder = VM_DIR / "wheels" / f"{self.image.name}-{ARCH}"
        folder.mkdir(parents=True, exist_ok=True)
        pip = [sys.executable, "-m", "pip", "download", "-qq", "--disable-pip-version-check", "-d", str(folder)]
        abi = GUEST_PYTHON.replace(".", "")
        target = ["--only-binary=:all:", "--implementation=cp", f"--python-version={GUEST_PYTHON}", f"--abi=cp{abi}"]
        target += ["--abi=abi3", "--abi=none", *(f"--platform={platform}" for platform in PLATFORMS)]
        needed = ["ai-edge-litert", "numpy", "pydantic", "tqdm"]
        needed += ["opencv-python-headless", "simplejpeg"]
        subprocess.run([*pip, *target, *needed], check=True)
        extra = [name for name in self.image.wheels if name not in needed]
        if extra:  # Their requirements come from Debian.
            subprocess.run([*pip, *target, "--no-deps", *extra], check=True)
        for name in self.image.sources:
            subprocess.run([*pip, "--no-deps", f"--no-binary={name}", name], check=True)
        return sorted(folder.iterdir())


def build_wheel(folder: Path) -> Path:
    """Build this checkout's wheel from a copy, for setuptools leaves its traces where it builds."""
    copy = folder / "source"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", "build", "*.egg-info", "__pycache__", ".*_cache"))
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*pip, "-w", str(folder), str(copy)], check=True)
    shutil.rmtree(copy)
    return next(folder.glob("edge_app-*.whl"))
