"""Passwords in what people write for a source, and what must stay readable."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_app import sinks, sources
from edge_app.secret import masked, masked_value, scrubbed
from edge_app.secret.masking import NAMES

HEADS = [
    *("", "rtsp://", "HTTP://", "rtsp:/", "rtsp:////", "rtsp//", "//", "/", "rtsp:", "rtsp;//", "gopher://"),
    *("rtspu://", "mmsh://", "rtsp+tls://", "srt://", "rtp://", "onvif://", "rtmps://", "mqtt://"),
    *(
        "video:rtsp://",
        "webcam:",
        "log:http:/",
        "stream:rtsp://",
        "--source=rtsp://",
        "x y rtsp://",
        '{"url": "rtsp://',
    ),
]


@given(
    head=st.sampled_from(HEADS),
    user=st.text("abcXYZ019._-@%", max_size=6),
    password=st.text("secretXYZ/@:?#%&=!; ", min_size=1, max_size=8).map(lambda text: f"Q7{text}7Q"),
    rest=st.sampled_from(["", "/", "/a@b", ":8554/x?y=1", ":port/x", "/?user=a&x=y@z", ":80/v?user=e@f.g&psw=s3@Q7"]),
)
def test_no_password_survives(head: str, user: str, password: str, rest: str) -> None:
    """Whatever stands before an address, and however its password is misspelt, none of the password is shown."""
    assert "7" not in masked(f"{head}{user.replace('7', '')}:{password}@host{rest}")


@given(
    head=st.sampled_from(["rtsp://", "rtspu://", "http:/", "//", "srt://", "video:http://"]),
    name=st.sampled_from(
        [
            *(
                "password",
                "pwd",
                "psw",
                "pw",
                "loginpas",
                "passphrase",
                "psk",
                "token",
                "access_token",
                "api_key",
                "key",
            ),
            *("auth", "session", "sid", "jwt", "bearer", "otp", "code", "hash", "cookie", "login", "sig", "p", "PIN"),
            *("PASSWORD", "p%61ssword", "%50w", "streamid", "url", "kennwort", "zz"),
        ]
    ),
    secret=st.text("secretXYZ@:%&=!;,_ ", min_size=3, max_size=9).map(lambda text: f"Q7{text}7Q"),
    before=st.sampled_from(["/v?", "/v?channel=1&", "/v;", "/v#", "/user=admin_", "/user=admin&", "/", "?"]),
    after=st.sampled_from(["", "&channel=1", "_channel=1_stream=0.sdp", "#x", "/x.jpg"]),
)
def test_no_parameter_survives(head: str, name: str, secret: str, before: str, after: str) -> None:
    """Cameras that take the secret as a parameter, in query, path or fragment, get the same care."""
    if before == "/":
        secret = secret.replace("=", "")  # /name=secret has one
    shown = masked(f"{head}cam{before}{name}={secret}{after}")
    assert "7" not in shown
    assert "cam" in shown or "@" in secret


@given(
    user=st.text("abc", min_size=1, max_size=4),
    password=st.text("secretXYZ/@:?# ", min_size=1, max_size=8).map(lambda text: f"Q7{text}7Q"),
    times=st.integers(1, 2),
    is_whole=st.booleans(),
)
def test_an_encoded_password_is_a_password(user: str, password: str, times: int, is_whole: bool) -> None:
    """An address without any literal : and @, or one inside another's query, is masked like a plain one."""
    inner = f"{user}:{password}@host"
    for _ in range(times):
        inner = quote(inner, safe="")
    assert "7" not in masked(inner if is_whole else f"http://cam/v?url=rtsp%3A%2F%2F{inner}")
    assert "7" not in masked(f"rtsp://{inner}/x")


TOKENS = ["5xJYQbpmjzAPfbrI", "KmGJcOsPfDRWxEnA", "3f9c8a7b-1234-4abc-9def-001122334455", "eyJhbGciOi.eyJzdWIi"]


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize(
    "form", ["rtsps://cam:7441/{}", "http://cam/live/{}/x.m3u8", "rtsp://{}:x@cam/", "http://c/?{}"]
)
def test_a_word_that_looks_random_is_a_token(token: str, form: str) -> None:
    """Some cameras have no password but a path that nobody can guess, or a token in the place of the user."""
    assert token not in masked(form.format(token))
    assert "***" in masked(form.format(token))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://eve:hunter2@cam:554/x", "rtsp://eve:***@cam:554/x"),
        ("rtsp://:hunter2@cam", "rtsp://:***@cam"),
        ("http://me@example.com:hunter2@cam/x", "http://me@example.com:***@cam/x"),
        ("http://eve:hun@ter/2#x@cam/x", "http://eve:***@cam/x"),
        ("http://eve%3Ahunter2@cam/x", "http://eve%3A***@cam/x"),
        ("eve:hunter2@cam/x", "eve:***@cam/x"),
        ("rtsp:/eve:hunter2@cam/x", "rtsp:/eve:***@cam/x"),
        ("video:rtsp://eve:hunter2@cam/x", "video:rtsp://eve:***@cam/x"),
        ("rtsp://eve:hunter2", "rtsp://eve:***"),
        ("rtsp://eve:hunter2%40cam/x", "rtsp://eve:***"),
        ("rtsp://eve:123456/x", "rtsp://eve:***"),
        ("rtsp://eve@cam:hunter2/x", "rtsp://***@cam:***"),
        ("rtsp://eve:hunter2@cam:hunter3/x", "rtsp://eve:***@cam:***"),
        ("rtsp://hunter2@cam/x", "rtsp://***@cam/x"),
        ("rtsp://hunter2:@cam/x", "rtsp://***:@cam/x"),
        ("hunter2@192.168.1.5/x", "***@192.168.1.5/x"),
        ("rtsp://admin:admin@cam/x", "rtsp://***:***@cam/x"),
        ("rtsp://cam/0/eve:hunter2/main", "rtsp://cam/0/eve:***"),
        ("http://cam/v?password=SeC&r3t&channel=1", "http://cam/v?password=***&channel=1"),
        ("rtsp://cam/user=eve_password=hunter2_channel=1", "rtsp://cam/user=eve_password=***_channel=1"),
        ("srt://cam:9?streamid=r:eve:x&latency=20", "srt://cam:9?streamid=***&latency=20"),
        ("rtsp://eve:{credential:cam}@cam/x", "rtsp://eve:{credential:cam}@cam/x"),
        ("rtsp://eve:{file:/etc/a:b@c}@cam/x", "rtsp://eve:{file:/etc/a:b@c}@cam/x"),
        ("http://cam/v?token={file:/x}", "http://cam/v?token={file:/x}"),
        ("rtsp://eve:{credential:cam}x@cam/x", "rtsp://eve:***@cam/x"),
    ],
)
def test_the_rest_of_an_address_is_shown(text: str, shown: str) -> None:
    """User, host and placeholders stay, where they can be told from the password."""
    assert masked(text) == shown


@pytest.mark.parametrize("name", ["password", "pwd", "psw", "pw", "loginpas", "token", "api_key", "auth", "p", "PIN"])
@pytest.mark.parametrize("separator", ["?", "&", ";", "/user=eve&", "/user=eve_"])
def test_the_other_parameters_are_shown(name: str, separator: str) -> None:
    """Users, channels and the like stay readable next to a password."""
    assert masked(f"http://cam/v{separator}{name}=hunter2&q=1") == f"http://cam/v{separator}{name}=***&q=1"


@pytest.mark.parametrize(
    "text",
    [
        *(
            "rtsp://cam:8554/live",
            "http://cam/a@b",
            "http://[::1]:80/x?q=1",
            "rtsp://cam:/x",
            "http://192.168.1.2/video",
        ),
        *("auto", "webcam:/dev/video0", "synthetic:rgb,free,seed=3", "synthetic:scene=cat", "video:clip.mp4", ""),
        *("pictures/@eaDir/2x@3.png", "picture:1.png", "C:\\x", "C:\\Users\\me@home\\a:b.jpg", "~/clips/a:b.mp4"),
        *("/data/2026-11-27T10:00:00@home.jpg", "video:/data/2026-11-27T10:00:00@home.jpg", "clips/10:00@home.mp4"),
        "webcam:/dev/v4l/by-path/pci-0000:00:14.0-usb-0:2:1.0-video-index0",
        "webcam:/dev/v4l/by-id/usb-046d_HD_Pro_Webcam_C920_A1B2C3D4E5F6G7H8-video-index0",
        "rtsp://192.168.1.20:554/Streaming/Channels/101?transportmode=unicast&profile=Profile_1",
        "rtsp://cam/cam/realmonitor?channel=1&subtype=0",
        "rtsp://cam/h264Preview_01_main",
        "http://cam/mjpg/video.mjpg?resolution=640x480&fps=5&compression=30",
        "rtsps://cam:7441/live?enableSrtp",
    ],
)
def test_what_has_no_password_stays_as_it_is(text: str) -> None:
    """Masking changes nothing else."""
    assert masked(text) == text


@given(
    folders=st.lists(st.text("abc XYZ019._-@:=", min_size=1, max_size=8), min_size=1, max_size=3),
    name=st.text("abcXYZ019._-@: ", min_size=1, max_size=12),
    before=st.sampled_from(["/data/", "./", "../", "~/", "video:/data/", "folder:./", "C:\\", "log:/var/"]),
)
def test_ordinary_paths_stay_as_they_are(folders: list[str], name: str, before: str) -> None:
    """A path may contain times, @ and =, unless what it names is called like a secret."""
    path = f"{before}{'/'.join(folders)}/{name}.jpg"
    assert masked(path) == path


def test_a_path_whose_parts_look_like_a_host_is_the_price() -> None:
    """What ends in @ and the address of a host is taken for a login even in a path: rather too much is hidden."""
    assert masked("clips/me@10.0.0.1:80/x.jpg") == "***@10.0.0.1:80/x.jpg"


def test_sources_and_sinks_are_not_taken_for_schemes() -> None:
    """`video:/x` is a path: every source and sink is known as such."""
    assert {*sources.names(), *sinks.names()} <= {*NAMES}


def test_values_of_settings_are_masked_inside() -> None:
    """Texts in lists and tables are masked, other values stay."""
    found = masked_value({"a": ["rtsp://eve:hunter2@cam", 1], "b": None, "eve:hunter2@cam": 2.5})
    assert found == {"a": ["rtsp://eve:***@cam", 1], "b": None, "eve:***@cam": 2.5}


@given(password=st.text("secretXYZ/@:?#%&=!<'\"\\ é", min_size=3, max_size=9).map(lambda text: f"Q7{text}7Q"))
def test_a_known_password_is_taken_out_of_any_text(password: str) -> None:
    """Whatever way a server, a library or a traceback spells it, a password of an address does not come through."""
    masked(f"rtsp://eve:{quote(password, safe='')}@cam/x")
    login = base64.b64encode(f"eve:{password}".encode()).decode()
    for spelt in (password, quote(password), quote(quote(password, safe=""), safe=""), repr(password)[1:-1]):
        assert scrubbed(f"401 no {spelt}: try again") == "401 no ***: try again"
    assert login.rstrip("=") not in scrubbed(f"Authorization: Basic {login}")


def test_common_words_are_not_taken_out_of_messages() -> None:
    """A user without a password, and a value of an unknown parameter, may be words that messages need."""
    masked("http://eve@cam/v?title=garden")
    assert scrubbed("eve watches the garden") == "eve watches the garden"
