"""Plays test pictures over RTSP: /h264 and /jpeg. Run by Debian's Python, which has GStreamer's bindings.

    /usr/bin/python3 tests/rtsp_server.py [--port N] [--pictures 'folder/%03d.jpg'] [--login user:password]

Prints `ready PORT` when it answers. Packages: see `tests/servers.py`.
"""

import argparse
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

FPS = 20
ENCODERS = {
    "/h264": "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=20 ! rtph264pay name=pay0 pt=96",
    "/jpeg": "jpegenc ! rtpjpegpay name=pay0 pt=26",
}


def launch_line(encoder: str, pictures: str | None) -> str:
    """Return a pipeline that plays a row of JPEG files for ever, or GStreamer's test picture."""
    if pictures:
        source = f'multifilesrc location="{pictures}" loop=true caps="image/jpeg,framerate={FPS}/1" ! jpegdec'
        source += " ! identity sync=true"
    else:
        source = f"videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate={FPS}/1"
    return f"( {source} ! videoconvert ! video/x-raw,format=I420 ! {encoder} )"


def protect(server: GstRtspServer.RTSPServer, factory: GstRtspServer.RTSPMediaFactory, login: str) -> None:
    """Let only one user in (Basic)."""
    auth, token, permissions = GstRtspServer.RTSPAuth(), GstRtspServer.RTSPToken(), GstRtspServer.RTSPPermissions()
    token.set_string("media.factory.role", "viewer")
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(*login.split(":")), token)
    server.set_auth(auth)
    permissions.add_role("viewer")
    permissions.add_permission_for_role("viewer", "media.factory.access", True)
    permissions.add_permission_for_role("viewer", "media.factory.construct", True)
    factory.set_permissions(permissions)


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", default="0")
    parser.add_argument("--pictures")
    parser.add_argument("--login")
    options = parser.parse_args()
    Gst.init(None)
    server = GstRtspServer.RTSPServer(address="127.0.0.1", service=options.port)
    for path, encoder in ENCODERS.items():
        factory = GstRtspServer.RTSPMediaFactory(shared=True)
        factory.set_launch(launch_line(encoder, options.pictures))
        if options.login:
            protect(server, factory, options.login)
        server.get_mount_points().add_factory(path, factory)
    if not server.attach(None):
        sys.exit(f"port {options.port} is taken")
    print("ready", server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
