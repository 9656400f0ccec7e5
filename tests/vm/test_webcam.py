"""`webcam` on a real kernel camera: vivid, whose HDMI output is looped to its HDMI input or which draws colour bars."""

from __future__ import annotations

import json
import re
from collections import Counter

import numpy as np
import pytest

from edge_app.errors import EXIT_NO_START
from edge_app.pictures.array import ArrayPicture
from edge_app.pictures.yuv import YuyvPicture
from tests.vm.known_pictures import HEIGHT_PX, WIDTH_PX, Expected, to_yuyv
from tests.vm.machine import BIN, Machine

CAMERA = "/dev/video0"
TIMEOUT = "timeout 150 "
RUN = f"{TIMEOUT}{BIN}/edge-app run --source webcam:{CAMERA} --size {WIDTH_PX}x{HEIGHT_PX} --preview none"
# Like `edge-app`, for a camera none of whose formats is taken raw.
DECODED = RUN.replace(f"{BIN}/edge-app", f"{BIN}/python -c 'import no_raw_formats, edge_app.__main__ as m; m.main()'")
FRAMES = 90
UNLOAD = "systemctl stop feeder other camera-run 2> /dev/null; set -e; modprobe -r vivid"
LONGEST_OUTAGE_S = 5.0


def load_loop(machine: Machine, fourcc: str, frames: list[np.ndarray]) -> None:
    """Send frames in turn, for ever, from vivid's output node to its capture node.

    Nothing is scaled or converted as long as both ends have the same size and pixel format.
    """
    (machine.share / "frames.raw").write_bytes(b"".join(frame.tobytes() for frame in frames))
    machine.run(
        f"""{UNLOAD}
        # One device with a capture node (bit 0) and an output node (bit 8), HDMI on both.
        modprobe vivid n_devs=1 node_types=0x101 num_inputs=1 input_types=3 num_outputs=1 output_types=1
        udevadm settle
        in=/dev/video0 out=/dev/video1
        for node in $in $out; do v4l2-ctl -d $node --set-dv-bt-timings index=0 > /dev/null; done  # 640x480, 59.94 Hz
        v4l2-ctl -d $in -c osd_text_mode=2 -c hdmi_000_0_is_connected_to=2   # no text; to the output
        v4l2-ctl -d $out --set-fmt-video-out width={WIDTH_PX},height={HEIGHT_PX},pixelformat={fourcc}
        cp {machine.guest_share}/frames.raw /tmp/frames.raw
        systemd-run -q --collect --unit feeder \\
            v4l2-ctl -d $out --stream-out-mmap --stream-from=/tmp/frames.raw --stream-loop
        sleep 2; systemctl is-active feeder""",
    )


def load_bars(machine: Machine) -> None:
    """Load vivid as a webcam that draws standing colour bars."""
    machine.run(
        f"""{UNLOAD}
        modprobe vivid n_devs=1 node_types=0x1 num_inputs=1 input_types=0; udevadm settle
        v4l2-ctl -d /dev/video0 -c osd_text_mode=2"""
    )


def log_lines(text: str) -> list[dict]:
    """Read a log."""
    return [json.loads(line) for line in text.splitlines()]


def compare(lines: list[dict], tops: dict[str, list]) -> Counter[str]:
    """Say how many lines show the scores of each known picture; "none" counts the others."""
    names = {json.dumps(top): name for name, top in tops.items()}
    return Counter(names.get(json.dumps(line["top"]), "none") for line in lines)


def take_patches(machine: Machine, count: int, *modules: str) -> np.ndarray:
    """Return the patches of so many frames of the camera, (N, 32, 32, 3) uint8 RGB."""
    folder = machine.guest_share
    machine.run(
        f"cd {folder}/guest && timeout 150 {BIN}/python take_patches.py webcam:{CAMERA} {WIDTH_PX}x{HEIGHT_PX} {count} "
        f"{folder}/patches.npz {' '.join(modules)}"
    )
    with np.load(machine.share / "patches.npz") as file:
        age_ms, patches = file["age_s"] * 1e3, file["patches"]
    print(f"age of a frame when taken: median {np.median(age_ms):.1f} ms, most {age_ms.max():.1f} ms")
    return patches


def check_loop(machine: Machine, command: str, patches: dict, expected: Expected, *modules: str) -> None:
    """Check log and patches of a run on the loop against the patches of the known pictures."""
    tops = {name: expected.top(patch) for name, patch in patches.items()}
    assert len({json.dumps(top) for top in tops.values()}) == len(tops), "pictures that cannot be told apart"
    done = machine.run(f"cd {machine.guest_share}/guest; {command} --frames {FRAMES} --log -")
    seen = compare(log_lines(done.stdout), tops)
    for name, top in tops.items():
        print(f"{name}: {seen[name]} frames with exactly {top}")
    assert set(seen) == set(tops), seen
    assert seen.total() == FRAMES
    taken = take_patches(machine, 30, *modules)
    off = [min(int(np.abs(one.astype(int) - patch).max()) for patch in patches.values()) for one in taken]
    print(f"patches: {len(taken)} taken, each equal to a known one within {max(off)} grey levels")
    assert max(off) == 0


def test_yuyv_loop(plain: Machine, pictures: dict[str, np.ndarray], expected: Expected) -> None:
    """Raw YUYV through the kernel gives exactly the scores of the bytes sent, and nearly those of the RGB picture."""
    sent = {name: to_yuyv(pixels) for name, pixels in pictures.items()}
    load_loop(plain, "YUYV", list(sent.values()))
    patches = {name: expected.patch(YuyvPicture(yuyv)) for name, yuyv in sent.items()}
    done = plain.run(f"{RUN} --verbose --frames 3 --log -")
    granted = re.findall(r"granted .*", done.stderr)
    print(granted)
    assert granted[0].startswith("granted YUYV 640x480")
    check_loop(plain, RUN, patches, expected)
    for name, pixels in pictures.items():
        direct = expected.patch(ArrayPicture(pixels))
        off = np.abs(direct.astype(int) - patches[name])
        print(f"{name}: off from RGB by {off.mean():.2f} on average, {off.max()} at most; {expected.top(direct)}")
        # Neighbouring pixels of the formula have nothing in common: half the chroma cannot say what colours they have.
        assert off.mean() < (2.0 if name == "formula" else 1.0), name
        assert name == "formula" or expected.top(direct)[0][0] == expected.top(patches[name])[0][0], name


def test_decoded_loop(plain: Machine, pictures: dict[str, np.ndarray], expected: Expected) -> None:
    """Pictures that OpenCV decodes (BGR from the driver) give exactly the scores of the known pictures."""
    load_loop(plain, "BGR3", [pixels[..., ::-1] for pixels in pictures.values()])
    patches = {name: expected.patch(ArrayPicture(pixels)) for name, pixels in pictures.items()}
    done = plain.run(f"cd {plain.guest_share}/guest; {DECODED} --verbose --frames 3 --log -")
    granted = re.findall(r"granted .*", done.stderr)
    print(granted)
    assert granted[0].startswith("granted decoded frames 640x480")
    check_loop(plain, DECODED, patches, expected, "no_raw_formats")


def test_listed(plain: Machine) -> None:
    """`edge-app sources` lists the camera with its modes."""
    load_bars(plain)
    listed = plain.run(f"{BIN}/edge-app sources").stdout
    print(listed)
    assert listed.startswith(f"webcam:{CAMERA}  vivid")
    assert re.search(r"YUYV .*640x480", listed)


def refusal(machine: Machine, command: str) -> str:
    """Run something that cannot start; return the last line it says."""
    done = machine.run(command, is_checked=False)
    print(f"exit {done.returncode}: {done.stderr.strip()}")
    assert done.returncode == EXIT_NO_START
    assert done.stdout == ""
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("edge-app: ")
    assert "Traceback" not in done.stderr
    return last


def test_absent(plain: Machine) -> None:
    """A camera that is not there is named."""
    assert "/dev/video9 does not exist" in refusal(plain, RUN.replace(CAMERA, "/dev/video9"))


def test_forbidden(plain: Machine) -> None:
    """Who may not open the camera learns which group to join."""
    load_bars(plain)
    text = refusal(plain, f"HOME=/nonexistent setpriv --reuid nobody --regid nogroup --clear-groups {RUN}")
    assert f"no permission to open {CAMERA}" in text
    assert "usermod -aG video" in text


def test_busy(plain: Machine) -> None:
    """Who uses the camera is named."""
    load_bars(plain)
    plain.run(f"systemd-run -q --collect --unit other v4l2-ctl -d {CAMERA} --stream-mmap; sleep 2")
    try:
        assert "in use by v4l2-ctl (pid " in refusal(plain, f"{RUN} --frames 3")
    finally:
        plain.run("systemctl stop other")


# How a camera goes and comes back. Gone: its node is there and answers ENODEV (vivid registers its node again when the
# last user closes it, so one is kept open), or the node is gone too.
UNPLUG = {
    "disconnect": ("exec 9< /dev/video0; v4l2-ctl -d /dev/video0 -c disconnect=1", "exec 9<&-"),
    "unbind": ("echo vivid.0 > $driver/unbind", "echo vivid.0 > $driver/bind"),
}


@pytest.mark.parametrize("how", list(UNPLUG))
def test_unplugged(plain: Machine, how: str) -> None:
    """An unplugged camera is an outage within 5 s, a camera that came back a label within 5 s, in the same process."""
    load_bars(plain)
    done = plain.run(unplug_script(plain, *UNPLUG[how]), timeout_s=300)
    times = {word: float(value) for word, value in re.findall(r"^(\w+) ([\d.]+)$", done.stdout, re.MULTILINE)}
    lines = log_lines((plain.share / "unplug.jsonl").read_text())
    before = [line for line in lines if line["mono_s"] < times["gone"] and line["state"] == "ok"]
    outage = [line for line in lines if line["state"] == "outage" and line["mono_s"] > times["gone"]]
    after = [line for line in lines if line["mono_s"] > times["back"] and line["state"] != "outage"]
    assert before and outage and after, Counter(line["state"] for line in lines)
    noticed_s, recovered_s = outage[0]["mono_s"] - times["gone"], after[0]["mono_s"] - times["back"]
    print(f"{how}: outage after {noticed_s:.2f} s ({outage[0]['reason']!r}), label back after {recovered_s:.2f} s")
    print(f"label {before[-1]['top'][0]} before, {after[0]['top'][0]} at once and {after[-1]['top'][0]} later")
    assert times["pid_before"] == times["pid_after"]
    assert noticed_s < LONGEST_OUTAGE_S and recovered_s < LONGEST_OUTAGE_S
    assert after[-1]["top"] == before[-1]["top"]
    assert {line["label"] for line in outage} == {None}


def unplug_script(machine: Machine, unplug: str, plug_in: str) -> str:
    """Return what to run in the guest: start edge-app, unplug, wait, plug in again, wait, stop. Prints times and ids.

    Whether a label is named at all is up to the model: `--enter 0` always names the best one.
    """
    return f"""set -e
    driver=/sys/bus/platform/drivers/vivid log=/tmp/unplug.jsonl
    now() {{ cut -d' ' -f1 /proc/uptime; }}
    wait_for() {{  # the state, in a line written from now on
        seen=$(($(wc -l < $log) + 1))
        for _ in $(seq 300); do tail -n +$seen $log | grep -q '"state":"'$1'"' && return; sleep 0.2; done
        echo "no $1 within a minute" >&2; exit 1
    }}
    : > $log
    systemd-run -q --collect --unit camera-run {RUN.removeprefix(TIMEOUT)} --enter 0 --leave 0 --rate 5 --log $log
    wait_for ok; sleep 3
    echo pid_before $(systemctl show -P MainPID camera-run)
    echo gone $(now); {unplug}
    wait_for outage; sleep 3
    {plug_in}; echo back $(now)
    wait_for ok; sleep 1
    v4l2-ctl -d /dev/video0 -c osd_text_mode=2
    sleep 2
    echo pid_after $(systemctl show -P MainPID camera-run)
    systemctl stop camera-run
    cp $log {machine.guest_share}/unplug.jsonl"""
