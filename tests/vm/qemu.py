"""One QEMU process with a Debian in it: boot, run scripts by ssh, power off, or pull the plug."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

VM_DIR = Path(os.environ.get("VM_DIR") or "/tmp/edge-app-vm")
ARCH = os.environ.get("ARCH") or "amd64"
BOOT_S = 400.0
BUILD_S = 3600.0


@dataclass(frozen=True)
class Board:
    """A machine QEMU pretends to be.

    Attributes:
        command: program and machine. `max`: the wheels need x86-64-v2, but page tables of five levels only take time;
            `cortex-a72`: the core of a Raspberry Pi 4.
        console: the kernel's name of the serial port.
    """

    command: tuple[str, ...]
    console: str


BOARDS = {
    "amd64": Board(("qemu-system-x86_64", "-M", "q35", "-cpu", "max,la57=off"), "ttyS0"),
    "arm64": Board(("qemu-system-aarch64", "-M", "virt,gic-version=3", "-cpu", "cortex-a72"), "ttyAMA0"),
}


class Qemu:
    """A machine with a disk of its own on top of an image.

    Args:
        name: of the image and its machine.
        packages: Debian packages the image has besides the usual.
    """

    def __init__(self, name: str, packages: tuple[str, ...] = ()) -> None:
        self._packages = packages
        self.image = VM_DIR / "images" / f"{name}-{ARCH}"
        self.folder = VM_DIR / "machines" / f"{name}-{ARCH}"
        self.share = self.folder / "share"
        self._disk, self._process = self.folder / "disk.qcow2", self.folder / "qemu.pid"
        self._port, self._control = self.folder / "port", self.folder / "ssh"

    @property
    def is_running(self) -> bool:
        """Whether its process is there and answers."""
        return self._process.exists() and not self.run("true", 30).returncode

    def build(self) -> None:
        """Make the image unless there is one."""
        if (self.image / "root.ext4").exists():
            return
        key = VM_DIR / "key"
        VM_DIR.mkdir(parents=True, exist_ok=True)
        if not key.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "vm", "-f", str(key)], check=True)
        started_s = time.monotonic()
        script = Path(__file__).with_name("build_image.sh")
        command = [str(script), ARCH, str(self.image), f"{key}.pub", *self._packages]
        subprocess.run(command, check=True, timeout=BUILD_S)
        print(f"{self.image.name}: built in {time.monotonic() - started_s:.0f} s")

    def boot(self, is_fresh: bool = True) -> None:
        """Start it and wait until systemd has started everything.

        Args:
            is_fresh: begin with the image as it was built; else with the disk as it was left.

        Raises:
            TimeoutError: it did not come up; the end of its console is in the message.
        """
        self.share.mkdir(parents=True, exist_ok=True)
        base = str(self.image / "root.ext4")
        if is_fresh or not self._disk.exists():
            make = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "raw", str(self._disk)]
            subprocess.run(make, check=True)
        self._port.write_text(str(free_port()))
        self._control.unlink(missing_ok=True)
        started_s = time.monotonic()
        subprocess.run(self._command(), check=True)
        while self.run("true", 30).returncode:
            if time.monotonic() - started_s > BOOT_S or not self._alive():
                raise TimeoutError(f"{self.folder.name} did not come up:\n{self.console()}")
            time.sleep(1)
        state = self.run("systemctl is-system-running --wait", BOOT_S).stdout.strip()
        print(f"{self.folder.name}: {state} {time.monotonic() - started_s:.0f} s after power on")

    def _command(self) -> list[str]:
        board = BOARDS[ARCH]
        line = f"root=/dev/vda rw console={board.console} net.ifnames=0 mitigations=off"
        return [
            *board.command,
            *("-accel", "tcg,thread=multi,tb-size=512", "-smp", "2", "-m", "2048"),
            *("-nodefaults", "-display", "none", "-no-reboot", "-serial", f"file:{self.folder / 'console.log'}"),
            *("-kernel", str(self.image / "vmlinuz"), "-initrd", str(self.image / "initrd.img"), "-append", line),
            # The guest's flushes reach the host's page cache, which outlives QEMU: that is this disk's platter.
            *("-drive", f"if=none,id=root,file={self._disk},cache=unsafe", "-device", "virtio-blk-pci,drive=root"),
            *("-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{self._port.read_text()}-:22"),
            *("-device", "virtio-net-pci,netdev=net,romfile=", "-device", "virtio-rng-pci"),
            *("-virtfs", f"local,path={self.share},mount_tag=share,security_model=none,multidevs=remap"),
            *("-pidfile", str(self._process), "-daemonize"),
        ]

    def run(self, script: str, timeout_s: float) -> subprocess.CompletedProcess[str]:
        """Run a bash script in the guest as root."""
        ssh = ["ssh", "-q", "-i", str(VM_DIR / "key"), "-p", self._port.read_text(), "root@127.0.0.1"]
        options = {
            "ControlMaster": "auto",
            "ControlPath": str(self._control),
            "ControlPersist": "3600",
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "ConnectTimeout": "20",
            "ServerAliveInterval": "30",
            "BatchMode": "yes",
        }
        words = [*ssh, *(f"-o{name}={value}" for name, value in options.items()), "bash", "-s"]
        return subprocess.run(words, input=script, text=True, capture_output=True, timeout=timeout_s, check=False)

    def console(self, lines: int = 20) -> str:
        """Return the end of what it printed on its serial port."""
        return "\n".join((self.folder / "console.log").read_text("utf-8", "replace").splitlines()[-lines:])

    def power_off(self) -> None:
        """Shut it down in order; after a minute and a half without."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.run("systemctl poweroff", 30)
        deadline_s = time.monotonic() + 90
        while self._alive() and time.monotonic() < deadline_s:
            time.sleep(0.5)
        self.pull_the_plug()

    def pull_the_plug(self) -> None:
        """Take its power away: what the guest has not flushed is gone."""
        if self._alive():
            os.kill(int(self._process.read_text()), signal.SIGKILL)
            while self._alive():
                time.sleep(0.1)
        self._process.unlink(missing_ok=True)
        self._control.unlink(missing_ok=True)

    def _alive(self) -> bool:
        try:
            return Path(f"/proc/{int(self._process.read_text())}/cmdline").read_bytes().startswith(b"qemu-system")
        except (OSError, ValueError):
            return False

    def empty_share(self) -> None:
        """Leave nothing of an earlier run in the shared folder; the guest keeps it mounted."""
        self.share.mkdir(parents=True, exist_ok=True)
        for path in self.share.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def free_port() -> int:
    """Return a port nobody listens at."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])
