"""An HTTP server with byte ranges, on this machine, for as long as a test needs it."""

import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Ranges(BaseHTTPRequestHandler):
    """Serves ``server.files``, with byte ranges if ``server.ranges``; logs into ``server.log``."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.answer(with_body=False)

    def do_GET(self):
        self.answer(with_body=True)

    def answer(self, *, with_body):
        data = self.server.files.get(self.path)
        self.server.log.append((self.command, self.path, self.headers.get("Range")))
        if data is None:
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        span = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or "")
        if span and self.server.ranges:
            start, end = int(span[1]), min(int(span[2]), len(data) - 1)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{end}/{len(data)}")
            data = data[start : end + 1]
        else:
            self.send_response(200)
        if self.server.ranges:
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(len(data)))
        else:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        if with_body:
            self.wfile.write(data)

    def log_message(self, *_):
        pass


@contextmanager
def serve():
    """A server of ``files`` (path -> bytes) at ``url``; ``log`` holds what it was asked for."""
    served = ThreadingHTTPServer(("127.0.0.1", 0), Ranges)
    served.daemon_threads = True
    served.files, served.log, served.ranges = {}, [], True
    served.url = f"http://127.0.0.1:{served.server_port}"
    thread = threading.Thread(target=served.serve_forever)
    thread.start()
    try:
        yield served
    finally:
        served.shutdown()
        thread.join()
        served.server_close()
