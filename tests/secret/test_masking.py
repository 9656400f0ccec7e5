"""Passwords in what people write for a source."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_app.secret import masked, masked_value

HEADS = ["", "rtsp://", "HTTP://", "rtsp:/", "gopher://", "video:rtsp://", "webcam:"]


@given(
    head=st.sampled_from(HEADS),
    user=st.text("abcXYZ019._-@", max_size=6),
    password=st.text("secretXYZ/@:?#%&=! ", min_size=1, max_size=8).map(lambda text: f"Q7{text}7Q"),
    rest=st.sampled_from(["", "/", "/a@b", ":8554/x?y=1", ":port/x", "/?user=a&x=y@z", ":80/v?user=e@f.g&psw=s3@Q7"]),
)
def test_no_password_survives(head: str, user: str, password: str, rest: str) -> None:
    """Whatever stands before an address, and however its password is misspelt, none of the password is shown."""
    assert "7" not in masked(f"{head}{user.replace('7', '')}:{password}@host{rest}")


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
        ("rtsp://eve@cam:hunter2/x", "rtsp://eve@cam:***"),
    ],
)
def test_the_rest_of_an_address_is_shown(text: str, shown: str) -> None:
    """User and host stay, where they can be told from the password; an address that cannot be used is masked too."""
    assert masked(text) == shown


@pytest.mark.parametrize("name", ["password", "pwd", "psw", "pw", "loginpas", "token", "api_key", "auth", "p", "PIN"])
@pytest.mark.parametrize("separator", ["?", "&", ";", "/user=eve&", "/user=eve_"])
def test_secrets_in_parameters_are_masked(name: str, separator: str) -> None:
    """Cameras that take the password as a parameter, in the query or in the path, get the same care."""
    assert masked(f"http://cam/v{separator}{name}=hunter2&q=1") == f"http://cam/v{separator}{name}=***&q=1"


@pytest.mark.parametrize(
    "text",
    [
        *("rtsp://cam:8554/live", "http://cam/a@b", "https://eve@cam/x", "http://[::1]:80/x?q=1", "rtsp://cam:/x"),
        *("auto", "webcam:/dev/video0", "synthetic:rgb,free,seed=3", "video:clip.mp4", "pictures/@eaDir/2x@3.png", ""),
    ],
)
def test_what_has_no_password_stays_as_it_is(text: str) -> None:
    """Masking changes nothing else."""
    assert masked(text) == text


def test_values_of_settings_are_masked_inside() -> None:
    """Texts in lists and tables are masked, other values stay."""
    found = masked_value({"a": ["rtsp://eve:hunter2@cam", 1], "b": None, "eve:hunter2@cam": 2.5})
    assert found == {"a": ["rtsp://eve:***@cam", 1], "b": None, "eve:***@cam": 2.5}
