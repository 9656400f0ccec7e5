"""Every kind of picture against the same picture computed by hand."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_app.errors import PictureError
from edge_app.pictures import decode, oriented, yuv
from edge_app.pictures.array import ArrayPicture
from edge_app.pictures.jpeg import LAST_BYTES, JpegPicture, whole_jpeg
from edge_app.pictures.yuv import Yuv420Picture, YuyvPicture
from edge_app.records import Box
from edge_app.settings.choices import Flip, Rotation


def smooth(width: int, height: int) -> np.ndarray:
    """Make an RGB picture whose channels differ and change slowly: JPEG and chroma subsampling hurt it little."""
    y, x = np.mgrid[0:height, 0:width]
    red = 128 + 90 * np.sin(x / width * 5) * np.cos(y / height * 3)
    return np.stack([red, 255 * x / width, 255 * y / height], 2).clip(0, 255).astype(np.uint8)


def area(pixels: np.ndarray, factor: int) -> np.ndarray:
    """Average blocks of factor x factor in float: the definition of area averaging."""
    height, width = pixels.shape[0] // factor, pixels.shape[1] // factor
    blocks = pixels[: height * factor, : width * factor].reshape(height, factor, width, factor, -1)
    return blocks.astype(float).mean((1, 3))


def jpeg(rgb: np.ndarray, quality: int = 95) -> np.ndarray:
    """Encode an RGB picture."""
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].reshape(-1)


def with_exif(data: np.ndarray, orientation: int) -> np.ndarray:
    """Put an EXIF segment that states an orientation behind the start of a JPEG."""
    tiff = b"II*\0" + struct.pack("<IH", 8, 1) + struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0) + bytes(4)
    segment = b"Exif\0\0" + tiff
    app1 = b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment
    return np.frombuffer(data[:2].tobytes() + app1 + data[2:].tobytes(), np.uint8)


@pytest.mark.parametrize("order", ["rgb", "bgr"])
def test_array_full_size(order: str) -> None:
    """Decoded pixels come out as RGB whatever their order in memory."""
    rgb = smooth(64, 48)
    stored = rgb if order == "rgb" else rgb[..., ::-1]
    assert np.array_equal(ArrayPicture(np.ascontiguousarray(stored), order).rgb(), rgb)


def test_array_grey_and_alpha() -> None:
    """A grey picture becomes three equal channels; a fourth channel is ignored."""
    grey = smooth(16, 12)[..., 1]
    assert np.array_equal(ArrayPicture(grey).rgb(), np.stack([grey] * 3, 2))
    rgba = np.dstack([smooth(16, 12), np.zeros((12, 16), np.uint8)])
    assert np.array_equal(ArrayPicture(rgba).rgb(), rgba[..., :3])


def test_array_shrinks_by_area_averaging() -> None:
    """To shrink, it averages whole blocks, rounds twice, and keeps at least the requested number of pixels."""
    rgb = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    small = ArrayPicture(rgb).rgb(Box(80, 0, 480, 480), 60)
    assert small.shape == (120, 120, 3)
    difference = small - area(rgb[:, 80:560], 4)
    assert np.abs(difference).max() <= 0.5 + 0.5 and difference.mean() == pytest.approx(0.25, abs=0.02)  # halves go up


@pytest.mark.parametrize(
    "bad", [np.zeros((4, 4, 3), np.uint16), np.zeros((4, 4, 5), np.uint8), np.zeros((0, 4, 3), np.uint8)]
)
def test_array_refuses_what_is_no_picture(bad: np.ndarray) -> None:
    """An array of the wrong type or shape is an error at once, not a wrong picture later."""
    with pytest.raises(PictureError):
        ArrayPicture(bad)


@pytest.mark.parametrize(("side", "expected"), [(None, 480), (300, 480), (240, 240), (112, 120), (60, 60), (40, 60)])
def test_jpeg_decodes_only_as_far_as_asked(side: int | None, expected: int) -> None:
    """A JPEG is decoded at the smallest scale that still gives enough pixels."""
    rgb = smooth(640, 480)
    got = JpegPicture(jpeg(rgb)).rgb(Box(80, 0, 480, 480), side)
    assert min(got.shape[:2]) >= (side or 480)
    assert min(got.shape[:2]) <= expected
    reference = cv2.resize(rgb[:, 80:560], got.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(got - reference.astype(int)).mean() < 2


@pytest.mark.parametrize("orientation", range(1, 9))
def test_jpeg_honours_exif_orientation(orientation: int) -> None:
    """A JPEG with an EXIF orientation comes out upright, as does its size, at full and reduced scale."""
    upright = smooth(320, 240)
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    picture = JpegPicture(with_exif(jpeg(np.ascontiguousarray(stored)), orientation))
    assert picture.size_px == (320, 240)
    assert np.abs(picture.rgb().astype(int) - upright).mean() < 3
    assert np.abs(picture.rgb(None, 60).astype(int) - area(upright, 4)).mean() < 3


def test_jpeg_header_says_what_the_decoder_says() -> None:
    """The size is read from the header of grey, odd-sized and progressive files alike."""
    for width, height, flags in [(641, 479, []), (8, 8, []), (33, 17, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])]:
        data = cv2.imencode(".jpg", smooth(width, height)[..., 0], flags)[1].reshape(-1)
        assert JpegPicture(data).size_px == (width, height)


def with_thumbnail(data: np.ndarray) -> np.ndarray:
    """Put an EXIF segment that ends in a whole JPEG behind the start of another, as cameras do."""
    small = jpeg(smooth(16, 12)).tobytes()
    app1 = b"\xff\xe1" + struct.pack(">H", len(small) + 8) + b"Exif\0\0" + small
    return np.frombuffer(data[:2].tobytes() + app1 + data[2:].tobytes(), np.uint8)


@pytest.mark.parametrize("last_bytes", [LAST_BYTES, None], ids=["camera", "file"])
@pytest.mark.parametrize("padding", [0, 1, 31, LAST_BYTES - 2])
def test_a_padded_jpeg_is_whole(last_bytes: int | None, padding: int) -> None:
    """Zeros behind the end of image, as cameras and servers send them, are allowed from everybody."""
    data = np.append(with_thumbnail(jpeg(smooth(64, 48))), np.zeros(padding, np.uint8))
    assert whole_jpeg(data, last_bytes).size_px == (64, 48)


def test_only_a_file_may_go_on_after_its_picture() -> None:
    """Whatever a phone has appended, of any length; in a camera's buffer that is what an older picture left."""
    for behind in (LAST_BYTES - 1, 100_000):
        data = np.append(jpeg(smooth(64, 48)), np.zeros(behind, np.uint8))
        assert whole_jpeg(data, last_bytes=None).size_px == (64, 48)
        with pytest.raises(PictureError, match="incomplete JPEG"):
            whole_jpeg(data)


@pytest.mark.parametrize("is_progressive", [False, True])
@pytest.mark.parametrize("last_bytes", [LAST_BYTES, None], ids=["camera", "file"])
def test_a_jpeg_cut_anywhere_is_torn(is_progressive: bool, last_bytes: int | None) -> None:
    """Wherever it ends too early, even right after its thumbnail; and where its beginning is missing."""
    flags = [cv2.IMWRITE_JPEG_PROGRESSIVE, int(is_progressive)]
    whole = with_thumbnail(cv2.imencode(".jpg", smooth(64, 48), flags)[1].reshape(-1))
    for torn in (*(whole[:kept] for kept in range(len(whole))), whole[1:], whole[2:]):
        with pytest.raises(PictureError):
            whole_jpeg(torn, last_bytes)


def test_nobody_else_knows_how_a_jpeg_ends() -> None:
    """The definition of a whole JPEG exists only once."""
    package = Path(decode.__file__).parent.parent
    found = {path.name for path in package.rglob("*.py") if "xff\\xd9" in path.read_text("utf-8")}
    assert found == {"jpeg.py"}


@given(st.binary(max_size=300))
def test_jpeg_garbage_is_refused(data: bytes) -> None:
    """Bytes that are not a JPEG raise PictureError and no other error."""
    for prefix in (b"", b"\xff\xd8", b"\xff\xd8\xff\xe1\x00\x20Exif\0\0II"):
        encoded = np.frombuffer(prefix + data, np.uint8)
        try:
            JpegPicture(encoded).rgb(None, 1)
        except PictureError:
            continue


def test_jpeg_torn_in_the_middle() -> None:
    """A JPEG cut off before its pixels is an error when its pixels are requested."""
    data = jpeg(smooth(640, 480))
    with pytest.raises(PictureError):
        JpegPicture(data[:400]).rgb()


def to_yuv(rgb: np.ndarray, standard: yuv.ColorStandard) -> np.ndarray:
    """Convert by the textbook: luma from the weights, chroma as scaled differences, then range and rounding."""
    r, g, b = np.moveaxis(rgb.astype(float), 2, 0)
    kr, kb = standard.red_weight, standard.blue_weight
    luma = kr * r + (1 - kr - kb) * g + kb * b
    u, v = (b - luma) / (2 * (1 - kb)), (r - luma) / (2 * (1 - kr))
    if standard.is_full_range:
        planes = [luma, u + 128, v + 128]
    else:
        planes = [16 + luma * 219 / 255, 128 + u * 224 / 255, 128 + v * 224 / 255]
    return np.stack(planes, 2).round().clip(0, 255).astype(np.uint8)


STANDARDS = [yuv.BT601, yuv.BT601_FULL, yuv.BT709]


@pytest.mark.parametrize("standard", STANDARDS)
def test_color_matrix_inverts_the_textbook(standard: yuv.ColorStandard) -> None:
    """Converting there and back gives the colour again, up to the rounding of 8-bit YUV."""
    rgb = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    back = cv2.transform(to_yuv(rgb, standard), standard.matrix)
    assert np.abs(back.astype(int) - rgb).max() <= 2


def test_color_matrix_agrees_with_opencv() -> None:
    """The limited-range BT.601 matrix is the one OpenCV uses for YUYV."""
    rgb = smooth(64, 48)
    planes = to_yuv(rgb, yuv.BT601)
    yuyv = np.stack([planes[..., 0], np.where(np.arange(64) % 2, planes[..., 2], planes[..., 1])], 2)
    ours = YuyvPicture(yuyv).rgb()
    assert np.abs(ours.astype(int) - cv2.cvtColor(yuyv, cv2.COLOR_YUV2RGB_YUYV)).max() <= 2


@pytest.mark.parametrize("side", [None, 240, 112, 60])
def test_yuyv_against_the_picture_itself(side: int | None) -> None:
    """YUYV comes out as the picture it was made of, at full size and shrunk before conversion."""
    rgb = smooth(640, 480)
    planes = to_yuv(rgb, yuv.BT601)
    chroma = planes[:, ::2, 1:]
    yuyv = np.stack([planes[..., 0], chroma.reshape(480, 640)], 2)
    got = YuyvPicture(yuyv).rgb(Box(81, 3, 399, 470), side)
    reference = cv2.resize(rgb[3:473, 80:480], got.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(got.astype(int) - reference).mean() < 1.5


@pytest.mark.parametrize("layout", ["i420", "nv12"])
@pytest.mark.parametrize("standard", STANDARDS)
@pytest.mark.parametrize("stride", [320, 384])
def test_planar_against_the_picture_itself(layout: str, standard: yuv.ColorStandard, stride: int) -> None:
    """Planar 4:2:0 with and without padded rows comes out as the picture it was made of."""
    rgb = smooth(320, 240)
    yuv = to_yuv(rgb, standard)
    half = area(yuv, 2).round().astype(np.uint8)
    buffer = np.full((360, stride), 77, np.uint8)
    buffer[:240, :320] = yuv[..., 0]
    if layout == "nv12":
        buffer[240:, :320] = half[..., 1:].reshape(120, 320)
    else:
        planes = buffer[240:].reshape(2, 120, stride // 2)
        planes[:, :, :160] = np.moveaxis(half[..., 1:], 2, 0)
    picture = Yuv420Picture(buffer, (320, 240), layout, standard)
    assert np.abs(picture.rgb().astype(int) - rgb).mean() < 2
    assert np.abs(picture.rgb(Box(40, 0, 240, 240), 60) - area(rgb[:, 40:280], 4)).mean() < 1.5


def test_planar_refuses_a_short_buffer() -> None:
    """A buffer that cannot hold the picture is an error, not a crash."""
    with pytest.raises(PictureError):
        Yuv420Picture(np.zeros((359, 320), np.uint8), (320, 240))


@st.composite
def boxes(draw: st.DrawFn, width: int, height: int) -> Box:
    """Draw a box within a picture."""
    left, top = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    return Box(left, top, draw(st.integers(1, width - left)), draw(st.integers(1, height - top)))


@given(st.sampled_from([0, 90, 180, 270]), st.sampled_from(["none", "horizontal", "vertical"]), st.data())
def test_orientation_equals_turning_everything_first(rotate: Rotation, flip: Flip, data: st.DataObject) -> None:
    """Cutting a box out of a turned, mirrored picture is the same as turning all of it and cutting then."""
    rgb = np.random.default_rng(2).integers(0, 256, (24, 40, 3), np.uint8)
    flipped = {"none": rgb, "horizontal": rgb[:, ::-1], "vertical": rgb[::-1]}[flip]
    turned = np.rot90(flipped, -rotate // 90)
    picture = oriented.oriented(ArrayPicture(rgb), rotate, flip)
    assert picture.size_px == (turned.shape[1], turned.shape[0])
    box = data.draw(boxes(*picture.size_px))
    cut = turned[box.top : box.top + box.height_px, box.left : box.left + box.width_px]
    assert np.array_equal(picture.rgb(box), cut)


def test_decode_file_kinds() -> None:
    """Any encoded file becomes a picture: grey, alpha, 16 bits, one pixel; a PNG's pixels exactly."""
    rgb = smooth(40, 30)
    bgr = np.ascontiguousarray(rgb[..., ::-1])
    png = cv2.imencode(".png", bgr)[1].tobytes()
    assert np.array_equal(decode.decode_file(png).rgb(), rgb)
    deep = cv2.imencode(".png", bgr.astype(np.uint16) * 257)[1].tobytes()
    assert np.array_equal(decode.decode_file(deep).rgb(), rgb)
    for odd in (rgb[..., 0], np.dstack([bgr, rgb[..., 0]]), bgr[:1, :1]):
        assert decode.decode_file(cv2.imencode(".png", odd)[1].tobytes()).rgb().shape == (*odd.shape[:2], 3)


@pytest.mark.parametrize("data", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"])
def test_decode_file_refuses_garbage(data: bytes) -> None:
    """What OpenCV cannot read is a PictureError."""
    with pytest.raises(PictureError):
        decode.decode_file(data)
