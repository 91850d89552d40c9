"""A network camera."""

import base64
import http.server
import threading

import cv2
import numpy as np


class MjpegServer:
    """A camera that sends JPEGs over HTTP for ever, as ESP32-CAM and mjpg-streamer do."""

    def __init__(self, port: int, user: str | None = None) -> None:
        """Listen; with `user`, a name and password as in `ada:secret`, for who says them (RFC 7617) alone."""
        self.port = port
        self.authorization = None if user is None else f"Basic {base64.b64encode(user.encode()).decode()}"
        self.sending = threading.Event()
        self.killed = threading.Event()
        self.sending.set()
        self.server: http.server.ThreadingHTTPServer
        self.start()

    def start(self) -> None:
        camera = self
        self.killed.clear()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if camera.authorization not in {None, self.headers["Authorization"]}:
                    self.send_response(401)
                    self.send_header("WWW-Authenticate", 'Basic realm="camera"')
                    self.end_headers()
                    return
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                index = 0
                while not camera.killed.wait(0.02):
                    if not camera.sending.is_set():
                        continue
                    index += 1
                    jpeg = cv2.imencode(".jpg", np.full((48, 64, 3), index * 10 % 256, np.uint8))[1].tobytes()
                    try:
                        self.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\n")
                        self.wfile.write(b"Content-Length: %d\r\n\r\n%b\r\n" % (len(jpeg), jpeg))
                    except OSError:  # the client is gone
                        return

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def kill(self) -> None:
        self.killed.set()
        self.server.shutdown()
        self.server.server_close()
