"""A simulated CSI camera for tests; replaces picamera2. See `picamera.connect`."""

from __future__ import annotations

import time
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

PI = {"Model": "imx219", "Id": "/base/soc/i2c0mux/i2c@1/imx219@10"}
USB = {"Model": "Some webcam", "Id": "/base/scb/pcie@7d500000/pci@0,0/usb@0,0-1.4:1.0-046d:0825"}
AGE_S = 0.1  # age of each picture when it is returned


class FakeRequest:
    """A completed picamera2 request."""

    def __init__(self, camera: FakePicamera2) -> None:
        self._camera = camera
        camera.held += 1

    def get_metadata(self) -> dict[str, Any]:
        """Return a capture time `AGE_S` ago."""
        return {"SensorTimestamp": time.clock_gettime_ns(time.CLOCK_BOOTTIME) - int(AGE_S * 1e9)}

    def make_array(self, name: str) -> npt.NDArray[np.uint8]:
        """Return a grey array of the stream, uint8: (3/2 H, W) for YUV420, otherwise (H, W, 3)."""
        if self._camera.array is not None:
            return self._camera.array
        granted = self._camera.configuration[name]
        width, height = granted["size"]
        rows = (height * 3 // 2, width) if granted["format"] == "YUV420" else (height, width, 3)
        return np.full(rows, 128, np.uint8)

    def release(self) -> None:
        """Release it."""
        self._camera.held -= 1


class FakePicamera2:
    """The part of picamera2 0.3.38 that edge-app uses; grants every request. A subclass stands for a machine.

    Attributes:
        infos: the cameras of the machine; by default one Raspberry Pi camera.
        properties: properties of each camera; by default those of a Raspberry Pi camera.
        format: format granted to `main` instead of the requested one; empty grants the requested one.
        refusal: why no camera can be opened; None if they can.
        made: the cameras that were opened.
        calls: names of the methods called, in order.
        held: number of requests not yet released.
        failure: raised when waiting for a picture.
        array: replaces the grey array of every stream.
    """

    infos: ClassVar[list[dict[str, Any]]] = [PI]
    properties: ClassVar[dict[str, Any]] = {"ColorFilterArrangement": 0}
    format: ClassVar[str] = ""
    refusal: ClassVar[Exception | None] = None
    made: ClassVar[list[FakePicamera2]] = []

    def __init_subclass__(cls) -> None:
        """Give each machine its own list."""
        cls.made = []

    def __init__(self, number: int) -> None:
        if self.refusal is not None:
            raise RuntimeError("Camera __init__ sequence did not complete.") from self.refusal
        self.number = number
        self.calls: list[str] = []
        self.held = 0
        self.failure: Exception | None = None
        self.array: npt.NDArray[np.uint8] | None = None
        self.configuration: dict[str, Any] = {}
        self.camera_properties = self.properties
        self.camera_controls = {"FrameDurationLimits": (1, 2, 3)} if self.properties else {}
        self.made.append(self)

    @classmethod
    def global_camera_info(cls) -> list[dict[str, Any]]:
        """List the cameras."""
        return cls.infos

    def create_video_configuration(self, **parts: Any) -> dict[str, Any]:
        """Return the configuration; refuse the controls that picamera2 would refuse."""
        if not set(parts["controls"]) <= ({"FrameRate"} if self.camera_controls else set()):
            raise RuntimeError(f"Control {parts['controls']} is not advertised by libcamera")
        return {"lores": None, "raw": None, "colour_space": "sYCC", **parts}

    def configure(self, configuration: dict[str, Any]) -> None:
        """Grant it."""
        self.calls.append("configure")
        self.configuration = configuration
        if self.format:
            configuration["main"]["format"] = self.format

    def camera_configuration(self) -> dict[str, Any]:
        """Return the granted configuration."""
        return self.configuration

    def start(self) -> None:
        """Start."""
        self.calls.append("start")

    def capture_request(self, wait: float) -> FakeRequest:
        """Return a request at once, or raise `failure`."""
        if self.failure is not None:
            raise self.failure
        return FakeRequest(self)

    def cancel_all_and_flush(self) -> None:
        """Record the call."""
        self.calls.append("cancel")

    def stop(self) -> None:
        """Stop; fail if `failure` is set."""
        self.calls.append("stop")
        if self.failure is not None:
            raise RuntimeError("cannot stop")
