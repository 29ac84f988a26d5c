"""A real browser watches a made stream: what it shows, in all states, wide and narrow, light and dark."""

import io
import shutil
import time

import numpy as np
import pytest
from PIL import Image

from tests.detection.made_stream import (
    event_line,
    made_lines,
    stream_line,
    summary_line,
    window_line,
)
from timesformer.detection.live_page import LivePage

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="needs chromium (apt install chromium)"),
]
NAMES = ["<walk>", "run", "rest"]
MANY = [f"a class with a rather long name, number {i}" for i in range(400)]
LOST = {"kind": "source", "what": "lost", "reason": "timeout", "at": 9.0, "retry_in": 60.0}
HAS_CURVES = """() => {
    const canvas = document.getElementById("chart");
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let coloured = 0;
    for (let i = 0; i < data.length; i += 4) {
        const pixel = data.slice(i, i + 3);
        coloured += Math.max(...pixel) - Math.min(...pixel) > 60;
    }
    return coloured > 1000;
}"""
LENGTH = """() => {
    const canvas = document.getElementById("chart");
    const { data, width } = canvas.getContext("2d").getImageData(0, 0, canvas.width, 40);
    const columns = new Set();
    for (let i = 0; i < data.length; i += 4)
        if (data[i + 2] - data[i] > 60) columns.add((i / 4) % width);
    return columns.size / width;
}"""  # of the blue curve near the top
TOPS = """() => ["#label", "#likeliest", "#chart", "#events", "#figures"]
    .map((place) => Math.round(document.querySelector(place).getBoundingClientRect().top))"""
HIDE = """(value) => {
    Object.defineProperty(document, "hidden", { value, configurable: true });
    document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
}"""


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    with playwright.sync_playwright() as driver:
        yield driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


@pytest.fixture
def visit(browser):
    """Open the page of a server; at the end of the test there was no error and no foreign request."""
    contexts, problems = [], []

    def visit(url, *, width=1280, scheme="light"):
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        contexts.append(context)
        tab = context.new_page()
        tab.on("pageerror", lambda error: problems.append(str(error)))
        tab.on(
            "request", lambda request: request.url.startswith(url) or problems.append(request.url)
        )
        tab.goto(url)
        return tab

    yield visit
    for context in contexts:
        context.close()
    assert problems == []


def state(tab):
    return tab.locator("#state").get_attribute("data-state")


def wait_for_state(tab, wanted):
    tab.wait_for_function(
        "name => document.getElementById('state').dataset.state === name", arg=wanted
    )


def wait_for_text(tab, place, text):
    tab.wait_for_function(
        "([place, text]) => document.querySelector(place)?.textContent.includes(text)",
        arg=[place, text],
    )


def jpeg(colour):
    data = io.BytesIO()
    Image.new("RGB", (64, 36), colour).save(data, "JPEG")
    return data.getvalue()


def test_what_is_announced_is_shown_from_start_to_end(visit):
    with LivePage(0) as page:
        tab = visit(page.url)
        wait_for_state(tab, "connecting")
        page.publish(stream_line(NAMES, stride=1.0))
        page.publish(window_line(0.0, np.array([0.4, 0.35, 0.25]), NAMES))
        wait_for_state(tab, "live")
        wait_for_text(tab, "#since", "not announced")
        assert tab.locator("#label").text_content() == "<walk>"
        assert "unsure" in tab.locator("#label").get_attribute("class")
        for start in (1.0, 2.0):
            page.publish(window_line(start, np.array([0.91, 0.07, 0.02]), NAMES))
        page.publish(event_line("start", "<walk>", 2.0, None, score=0.91))
        wait_for_text(tab, "#since", "91.0 % · since 0:02 (0:02)")
        assert tab.locator("#likeliest .n").all_inner_texts()[:3] == ["91.0 %", "7.0 %", "2.0 %"]
        assert tab.locator("#likeliest li").nth(3).is_hidden()  # there is no fourth class
        assert tab.locator("tr.running .name").text_content() == "<walk>"
        wait_for_text(tab, "#announcement", "<walk>")
        assert tab.title() == "<walk> · Live: rtsp://camera.local/entrance"
        page.publish(event_line("end", "<walk>", 2.0, 9.5, score=0.77))
        wait_for_text(tab, "#events", "77.0 %")
        assert tab.locator("#events td").all_inner_texts()[1:] == [
            "0:02.0",
            "7.5 s",
            "<walk>",
            "77.0 %",
        ]
        page.publish(event_line("start", "run", 10.0, None))
        page.publish(event_line("withdrawn", "run", 10.0, 10.5))
        wait_for_text(tab, "tr.withdrawn .name", "run (withdrawn)")
        assert tab.locator("#events tr").count() == 2


def test_the_source_is_lost_and_comes_back_and_ends(visit):
    with LivePage(0) as page:
        page.publish(stream_line(NAMES))
        for line in made_lines(NAMES, seconds=20):
            page.publish(line)
        tab = visit(page.url)
        wait_for_state(tab, "live")
        page.publish(LOST)
        wait_for_state(tab, "lost")
        assert "timeout; retry in " in tab.locator("#state").text_content()
        wait_for_text(tab, "#now-head", "Last")
        page.publish({**LOST, "what": "reconnected", "retry_in": None})
        page.publish({"kind": "timeline", "number": 1, "reason": "reconnect"})
        page.publish(window_line(0.0, np.array([0.1, 0.7, 0.2]), NAMES, timeline=1))
        wait_for_state(tab, "live")
        assert tab.locator("tr.running").count() == 0
        page.publish(summary_line())
        wait_for_state(tab, "ended")
        assert tab.locator("#parts tbody tr").count() == 4
        figures = tab.locator("#figures").text_content()
        assert "frames3,600" in figures
        assert "latency p954.0 ms" in figures
    tab.wait_for_timeout(300)
    assert state(tab) == "ended"  # not: no connection


def test_the_page_finds_a_server_that_was_started_again(visit):
    with LivePage(0) as page:
        page.publish(stream_line(NAMES))
        page.publish(window_line(0.0, np.array([0.1, 0.7, 0.2]), NAMES))
        tab = visit(page.url)
        wait_for_text(tab, "#label", "run")
        port = page._running.server_address[1]
    wait_for_state(tab, "offline")
    with LivePage(port) as page:
        page.publish(stream_line(NAMES, source="/films/other.mp4"))
        page.publish(window_line(0.0, np.array([0.1, 0.2, 0.7]), NAMES))
        wait_for_text(tab, "#label", "rest")
        wait_for_text(tab, "h1", "Live: other.mp4")
        assert state(tab) == "live"


def test_the_newest_picture_is_shown(visit):
    with LivePage(0) as page:
        tab = visit(page.url)
        for colour in ("red", "blue"):
            page.show(jpeg(colour))
        seen = "() => document.querySelector('#picture img')?.naturalWidth === 64"
        tab.wait_for_function(seen)
        tab.wait_for_function("() => document.querySelector('#picture img').src.endsWith('?2')")


@pytest.mark.parametrize(("width", "scheme"), [(375, "dark"), (1280, "light")])
@pytest.mark.parametrize("names", [NAMES, MANY], ids=["few", "many"])
def test_nothing_moves_and_nothing_is_too_wide(visit, names, width, scheme):
    with LivePage(0) as page:
        page.publish(stream_line(names, stride=0.05))
        tab = visit(page.url, width=width, scheme=scheme)
        wait_for_state(tab, "connecting")
        before = tab.evaluate(TOPS)
        for line in made_lines(names, seconds=40):
            page.publish(line)
        page.show(jpeg("red"))
        wait_for_state(tab, "live")
        tab.wait_for_function(HAS_CURVES)
        assert tab.evaluate(TOPS) == before
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        tab.locator("text=10 min").click()
        assert tab.evaluate(TOPS) == before
        page.publish(LOST)
        wait_for_state(tab, "lost")
        assert tab.evaluate(TOPS) == before


@pytest.mark.parametrize(("middle", "shares"), [("skipped", (0.5, 0.55)), ("window", (0, 0.1))])
def test_a_curve_bridges_skipped_windows_and_breaks_where_nothing_was_read(visit, middle, shares):
    high = np.array([0.9, 0.07, 0.03])
    unread = {**window_line(30.0, high, NAMES), "probability": None, "label": None}
    del unread["probabilities"]
    with LivePage(0) as page:
        page.publish(stream_line(NAMES, stride=1.0))
        page.publish(window_line(0.0, high, NAMES))
        page.publish({**unread, "kind": middle})
        page.publish(window_line(60.0, high, NAMES))
        tab = visit(page.url)
        wait_for_text(tab, "#label", "<walk>")
        tab.wait_for_function("() => drawn > 0 && stream.windows.length > 1")
        tab.evaluate("drawChart()")
        assert shares[0] < tab.evaluate(LENGTH) < shares[1]


def test_a_long_stream_of_many_classes_stays_small(visit):
    with LivePage(0) as page:
        page.publish(stream_line(MANY, stride=0.05))
        tab = visit(page.url)
        p = np.random.default_rng(0).dirichlet(np.full(400, 0.02), 50)
        for i in range(3000):
            page.publish(window_line(i * 1.0, p[i % 50], MANY))
        for i in range(300):
            page.publish(event_line("end", MANY[i], 2700.0 + i, 2700.5 + i))
        wait_for_text(tab, "#events", "49:59.0")
        assert tab.evaluate("stream.windows.length") <= 600 + 501
        assert tab.evaluate("stream.events.length") == 200
        assert tab.evaluate("document.querySelectorAll('*').length") < 700
        assert tab.locator("#lanes li:not(.free)").count() == 8


def test_a_hidden_tab_draws_nothing_and_is_up_to_date_when_it_is_seen(visit):
    with LivePage(0) as page:
        page.publish(stream_line(NAMES))
        page.publish(window_line(0.0, np.array([0.1, 0.7, 0.2]), NAMES))
        tab = visit(page.url)
        wait_for_text(tab, "#label", "run")
        tab.evaluate(HIDE, True)
        before = tab.evaluate("drawn")
        page.publish(window_line(1.0, np.array([0.1, 0.2, 0.7]), NAMES))
        page.show(jpeg("red"))
        tab.wait_for_function("() => stream.windows.length === 2 && newestPicture === 1")
        time.sleep(0.3)
        assert tab.evaluate("drawn") == before
        assert tab.locator("#picture img").count() == 0
        tab.evaluate(HIDE, False)
        wait_for_text(tab, "#label", "rest")
