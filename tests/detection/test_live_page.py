"""The server of the live page: to clients that are quick, slow, dead, too many or foreign."""

import http.client
import json
import socket
import threading
import time

import numpy as np
import pytest

from tests.detection.made_stream import made_lines, stream_line, summary_line, window_line
from timesformer.detection import live_history, live_page, live_server
from timesformer.detection.live_page import LivePage, LivePageError
from timesformer.errors import InputError

NAMES = ["walk", "run", "rest"]
P = np.array([0.7, 0.2, 0.1])


@pytest.fixture
def page():
    before = set(threading.enumerate())
    with LivePage(0) as page:
        page.publish(stream_line(NAMES))
        yield page
    assert set(threading.enumerate()) <= before


def connect(page):
    return http.client.HTTPConnection("127.0.0.1", int(page.url.split(":")[-1][:-1]), timeout=10)


def get(page, path, **headers):
    connection = connect(page)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


def messages(page):
    """The messages of a reader, one after the other, until the server ends."""
    connection = connect(page)
    connection.request("GET", "/events")
    answer = connection.getresponse()
    assert answer.getheader("Content-Type") == "text/event-stream"
    for text in answer:
        if text.startswith(b"data: "):
            yield json.loads(text[6:])
    connection.close()


def read_until(reader, kind, start=None):
    lines = []
    for message in reader:
        lines += message["lines"]
        if any(each["kind"] == kind and start in (None, each.get("start")) for each in lines):
            return lines, message
    raise AssertionError(f"no {kind}")


def wait_for(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_page_needs_nothing_else_and_no_other_site_can_use_it(page):
    answer, body = get(page, "/?x=1")
    assert answer.status == 200
    assert b"Live: rtsp://camera.local/entrance" in body
    assert answer.getheader("Content-Security-Policy") == "frame-ancestors 'none'"
    assert answer.getheader("Cross-Origin-Resource-Policy") == "same-origin"
    assert answer.getheader("Cache-Control") == "no-store"
    assert answer.getheader("Access-Control-Allow-Origin") is None
    assert "Python" not in answer.getheader("Server")


@pytest.mark.parametrize("path", ["/../live.py", "/%2e%2e/", "/etc/passwd", "/events/"])
def test_there_are_three_addresses(page, path):
    answer, body = get(page, path)
    assert (answer.status, body) == (404, b"There is only / here.\n")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:9000", 200),
        ("127.0.0.1", 200),
        ("[::1]:8000", 200),
        ("192.168.1.7:80", 200),
        (socket.gethostname(), 200),
        ("evil.example", 403),
        ("127.0.0.1.evil.example:8000", 403),
        ("[::1", 403),
        ("", 403),
    ],
)
def test_foreign_host_names_are_refused(page, host, status):
    for path in ("/", "/nothing"):
        answer, body = get(page, path, Host=host)
        assert answer.status == (404 if path != "/" and status == 200 else status)
    if status == 403:
        assert body == b"This page does not answer to this host name.\n"


def test_a_reader_gets_the_past_and_then_what_comes(page):
    page.publish(window_line(0.0, P, NAMES))
    reader = messages(page)
    first = next(reader)
    assert first["restart"]
    assert [line["kind"] for line in first["lines"]] == ["stream", "window"]
    page.publish(window_line(1.0, P, NAMES))
    lines, message = read_until(reader, "window")
    assert [line["start"] for line in lines] == [1.0]
    assert (message["restart"], message["scored"], message["skipped"]) == (False, 2, 0)


def test_lines_of_several_threads_all_come(page):
    reader = messages(page)
    next(reader)

    def publish(thread):
        for i in range(100):
            page.publish(window_line(100.0 * thread + i, P, NAMES))

    threads = [threading.Thread(target=publish, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    seen = []
    while len(seen) < 400:
        seen += [line["start"] for line in next(reader)["lines"]]
    for n in range(4):  # in the order of each thread
        part = [start for start in seen if start // 100 == n]
        assert part == [100.0 * n + i for i in range(100)]


def test_the_newest_picture(page):
    assert get(page, "/picture")[1] == b"There is no picture yet.\n"
    reader = messages(page)
    assert next(reader)["picture"] == 0
    page.show(b"one")
    page.show(b"two")
    assert next(reader)["picture"] in (1, 2)
    answer, body = get(page, "/picture?2")
    assert (answer.getheader("Content-Type"), body) == ("image/jpeg", b"two")


def test_a_reader_that_does_not_read_delays_nobody(page, monkeypatch):
    monkeypatch.setattr(live_history, "MOST_LINES", 300)
    names = [f"class {i}" for i in range(40)]
    p = np.full(40, 1 / 40)
    slow = connect(page)
    slow.sock = socket.socket()
    slow.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.sock.connect(("127.0.0.1", slow.port))
    slow.request("GET", "/events")
    quick = messages(page)
    next(quick)
    for i in range(8_000):  # far more than the buffers of a socket hold
        page.publish(window_line(float(i) / 100, p, names))
    page.publish(summary_line())
    lines, _ = read_until(quick, "summary")
    assert len(lines) <= 8_001
    answer = slow.getresponse()  # reads again: what it lacks is gone, so it begins anew
    restarts = 0
    for text in answer:
        if text.startswith(b"data: "):
            message = json.loads(text[6:])
            restarts += message["restart"]
            if any(line["kind"] == "summary" for line in message["lines"]):
                break
    assert restarts >= 2
    answer.close()


def test_a_reader_that_is_gone_gives_its_place_back(page, monkeypatch):
    monkeypatch.setattr(live_server, "HEARTBEAT", 0.05)
    reader = messages(page)
    next(reader)
    assert page._running.num_readers == 1
    reader.close()
    wait_for(lambda: page._running.num_readers == 0)


def test_a_page_that_is_one_too_many_is_told_so(page, monkeypatch):
    monkeypatch.setattr(live_server, "MOST_READERS", 1)
    reader = messages(page)
    next(reader)
    answer, body = get(page, "/events")
    assert (answer.status, body) == (503, b"1 pages are open already; close one of them.\n")
    assert get(page, "/")[0].status == 200


def test_connections_are_bounded(page, monkeypatch):
    monkeypatch.setattr(live_server, "MOST_CONNECTIONS", 2)
    idle = [socket.create_connection(page._running.server_address[:2]) for _ in range(2)]
    wait_for(lambda: len(page._running._connections) == 2)
    assert get(page, "/")[0].status == 503
    for each in idle:
        each.close()
    wait_for(lambda: not page._running._connections)
    assert get(page, "/")[0].status == 200


def test_a_request_that_never_ends_is_dropped(page, monkeypatch):
    monkeypatch.setattr(live_server.Handler, "timeout", 0.1)
    with socket.create_connection(page._running.server_address[:2]) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost:")
        assert client.recv(10) == b""


def test_the_last_line_comes_before_the_end_and_the_end_is_quick():
    page = LivePage(0)
    with page:
        page.publish(stream_line(NAMES))
        reader = messages(page)
        next(reader)
        idle = socket.create_connection(page._running.server_address[:2])
        for line in made_lines(NAMES, seconds=300):
            page.publish(line)
        page.publish(summary_line())
        begin = time.monotonic()
    ended = time.monotonic() - begin
    lines, _ = read_until(reader, "summary")
    assert list(reader) == []
    assert lines[-1]["due"] == 480
    assert ended < live_server.LAST_SECONDS + 2  # an idle connection holds nobody up
    assert idle.recv(10) == b""
    with pytest.raises(ConnectionRefusedError):
        get(page, "/")


def test_a_port_can_be_used_again_at_once():
    with LivePage(0) as page:
        port = page._running.server_address[1]
        next(messages(page))
    with LivePage(port) as page:
        assert get(page, "/")[0].status == 200


def test_a_port_in_use_is_named():
    with LivePage(0) as page:
        port = page._running.server_address[1]
        with pytest.raises(
            LivePageError, match=f"page on 127.0.0.1, port {port}: .*in use; choose"
        ) as error:
            LivePage(port).__enter__()
    assert isinstance(error.value, InputError)


@pytest.mark.parametrize("port", [80, 1023, 65536, -1])
def test_ports_of_the_system_and_ports_that_do_not_exist_are_refused(port):
    with pytest.raises(LivePageError, match=f"port {port} cannot be used .* from 1024 to 65535"):
        LivePage(port)


def test_an_address_of_another_machine_is_named():
    with pytest.raises(LivePageError, match="page on 192.0.2.1, port 0: this machine does not"):
        LivePage(0, host="192.0.2.1").__enter__()
    with pytest.raises(LivePageError, match="page on no such host.invalid, port 0: "):
        LivePage(0, host="no such host.invalid").__enter__()


@pytest.mark.parametrize("code", ["EACCES", "EADDRINUSE"])
def test_what_the_system_refuses_has_a_remedy(code, monkeypatch):
    import errno

    def refuse(*args, **options):
        raise OSError(getattr(errno, code), "no")

    monkeypatch.setattr(live_page, "LiveServer", refuse)
    with pytest.raises(LivePageError, match="port 8000: the .*choose another one, or 0 for any"):
        LivePage(8000).__enter__()


def test_a_page_that_is_not_served_cannot_be_used():
    with pytest.raises(RuntimeError, match="inside its with block"):
        LivePage(0).publish(stream_line(NAMES))


def test_the_address_of_a_page_for_all_is_the_machine_name():
    with LivePage(0, host="0.0.0.0") as page:
        port = page._running.server_address[1]
        assert page.url == f"http://{socket.gethostname()}:{port}/"
