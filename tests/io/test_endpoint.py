"""Whether a server answers."""

import http.server
import threading

from timesformer.io.endpoint import answers


def test_any_status_is_an_answer_and_a_closed_port_is_none():
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)  # 501
    threading.Thread(target=server.handle_request, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    assert answers(url)
    server.server_close()
    assert not answers(url)
