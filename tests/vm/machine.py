"""A Debian machine in QEMU to run edge-app in, booted and reached with the scripts of the rig (see README.md)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
RIG = Path(os.environ.get("RIG") or ROOT.parent / "shared" / "rig")
RIG_DIR = Path(os.environ.get("RIG_DIR") or "/tmp/rig")
GUEST_PYTHON = "3.13"  # Debian 13's
# glibc of the wheels: Debian 13 has 2.41.
PLATFORMS = [f"manylinux{glibc}_x86_64" for glibc in ("2014", "_2_17", "_2_27", "_2_28", "_2_34")]
BIN = "/opt/tried/bin"  # /opt/edge-app is what `service install` makes


@dataclass(frozen=True)
class Image:
    """What a machine boots from and what is installed in it.

    Attributes:
        name: of the image, in RIG_DIR.
        debian: packages besides those every image has.
        wheels: packages from PyPI that edge-app's wheel does not ask for itself.
        sources: the same, where PyPI has no wheel.
    """

    name: str
    debian: tuple[str, ...] = ()
    wheels: tuple[str, ...] = ("opencv-python-headless",)
    sources: tuple[str, ...] = ()


@dataclass
class Machine:
    """One machine. It has its own disk on top of the image, so that others may run from the same image.

    Attributes:
        image: what it boots from.
        was_running: somebody else started it, who may want to keep it.
    """

    image: Image
    was_running: bool = field(default=False, init=False)

    @property
    def name(self) -> str:
        """Name of the folder in RIG_DIR."""
        return f"edge-app-{self.image.name}"

    @property
    def share(self) -> Path:
        """Folder on the host that is `guest_share` in the guest."""
        return RIG_DIR / "share" / self.name

    @property
    def guest_share(self) -> str:
        """Folder in the guest that is `share` on the host."""
        return f"/mnt/share/{self.name}"

    def start(self) -> None:
        """Build the image if there is none, boot, install edge-app. A machine that runs already is used as it is."""
        started_s = time.monotonic()
        image = RIG_DIR / self.image.name
        if not (image / "root.ext4").exists():
            self._rig("build.sh", 2400, NAME=self.image.name, EXTRA=" ".join(self.image.debian))
            print(f"{self.image.name}: built in {time.monotonic() - started_s:.0f} s")
        folder = RIG_DIR / self.name
        folder.mkdir(parents=True, exist_ok=True)
        for part in ("vmlinuz", "initrd.img", "root.ext4"):
            if not (folder / part).exists():
                (folder / part).symlink_to(image / part)
        self.was_running = (folder / "port").exists() and not self.run("true", 30, is_checked=False).returncode
        if not self.was_running:
            self._rig("run.sh", 600, "start")
        booted_s = time.monotonic()
        self._install()
        now_s = time.monotonic()
        print(f"{self.name}: booted in {booted_s - started_s:.0f} s, edge-app installed in {now_s - booted_s:.0f} s")

    def stop(self) -> None:
        """Power off, unless it ran before."""
        if not self.was_running:
            self._rig("run.sh", 200, "stop")

    def run(self, script: str, timeout_s: float = 180, is_checked: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a bash script in the guest as root.

        Raises:
            AssertionError: it ended with an error, and `is_checked`.
        """
        done = subprocess.run(
            [str(RIG / "run.sh"), "exec"], input=script, text=True, capture_output=True, timeout=timeout_s,
            env=self._environment(), check=False,
        )  # fmt: skip
        if is_checked:
            assert done.returncode == 0, f"{script}\nended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done

    def _rig(self, script: str, timeout_s: float, *arguments: str, **settings: str) -> None:
        command = [str(RIG / script), *arguments]
        subprocess.run(command, timeout=timeout_s, env=self._environment() | settings, check=True)

    def _environment(self) -> dict[str, str]:
        return os.environ | {"ARCH": "amd64", "SUITE": "trixie", "RIG_DIR": str(RIG_DIR), "NAME": self.name}

    def _install(self) -> None:
        """Make a virtual environment in the guest and install this checkout's wheel in it, offline."""
        wheels = self.share / "wheels"
        shutil.rmtree(self.share, ignore_errors=True)
        wheels.mkdir(parents=True)
        for file in self._downloaded():
            shutil.copy(file, wheels)
        own = build_wheel(self.share)
        shutil.copytree(Path(__file__).parent / "guest", self.share / "guest")
        pip = f"{BIN}/pip install -q --disable-pip-version-check --no-index --find-links {self.guest_share}/wheels"
        system = "--system-site-packages" if self.image.debian else ""
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
        folder = RIG_DIR / "wheels" / self.name
        folder.mkdir(parents=True, exist_ok=True)
        pip = [sys.executable, "-m", "pip", "download", "-qq", "--disable-pip-version-check", "-d", str(folder)]
        abi = GUEST_PYTHON.replace(".", "")
        target = ["--only-binary=:all:", "--implementation=cp", f"--python-version={GUEST_PYTHON}", f"--abi=cp{abi}"]
        target += ["--abi=abi3", "--abi=none", *(f"--platform={platform}" for platform in PLATFORMS)]
        needed = ["ai-edge-litert", "numpy", "pydantic", "pydantic-settings", "tqdm", "opencv-python-headless"]
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
