"""An RTSP server for the tests: a moving test picture in H.264, at rtsp://127.0.0.1:PORT/test.

Run by the system's Python, which has GStreamer's bindings:  /usr/bin/python3 rtsp_server.py PORT
Says `ready` on stdout once it listens.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402 - the versions come first

PIPELINE = (
    "( videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=240,framerate=25/1 "
    "! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=25 ! rtph264pay name=pay0 pt=96 )"
)

Gst.init(None)
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(PIPELINE)
factory.set_shared(True)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(sys.argv[1])
server.get_mount_points().add_factory("/test", factory)
if not server.attach(None):
    sys.exit(f"port {sys.argv[1]} cannot be had")
print("ready", flush=True)  # noqa: T201
GLib.MainLoop().run()
