"""The page of a long video: what it shows are the segments, and a browser plays from where one clicks."""

import re
import shutil

import numpy as np
import pytest

from tests.conftest import numbered_frame, write_video
from timesformer.visualize.detection_page import Shown, render_detection

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SEGMENTS = [Shown("<run>", 1.0, 2.5, 0.875), Shown("walk", 2.0, 3.0, 0.6)]


def page(film="film 1.mp4", **options):
    times = np.arange(0, 4, 0.01)
    probabilities = np.random.default_rng(0).random((400, 3)) / 2
    probabilities[7] = np.nan
    return render_detection(
        "film 1",
        times,
        probabilities,
        ["<run>", "walk", "rest"],
        SEGMENTS,
        duration=4.0,
        film=film,
        facts={"weights": "a&b.pyth"},
        **options,
    )


def test_segments_gaps_and_facts_are_shown_escaped():
    text = page(gaps=[{"start": 3.5, "end": 4.0, "reason": "bad <packet>"}])
    for row in SEGMENTS:
        assert f'data-at="{row.start}" data-to="{row.end}"' in text
    assert "&lt;run&gt;, 1.00 to 2.50 s, score 0.875" in text
    assert "<run>" not in text
    assert "3.5 to 4.0 s could not be read: bad &lt;packet&gt;" in text
    assert "a&amp;b.pyth" in text
    assert 'src="film%201.mp4"' in text
    assert 'href="film%201.json"' in text


def test_curves_have_a_point_for_each_window_or_the_maximum_of_several():
    for count in (400, 5000):
        times, values = np.arange(count) / 100, np.zeros((count, 1))
        values[count // 3] = 1
        text = render_detection(
            "a", times, values, ["x"], [], duration=count / 100, film=None, facts={}
        )
        points = re.search('points="([^"]*)"', text)[1].split()
        assert len(points) == min(count, 600)
        assert (
            min(float(point.split(",")[1]) for point in points) == 7.5
        )  # the single peak is there
    assert "does not play here" in text


def test_facts_are_short_and_have_their_units():
    facts = {"span": 2.1333333333, "min_on": 0.3, "background": None, "smooth": "median:5"}
    text = render_detection(
        "a", np.arange(3), np.zeros((3, 1)), ["x"], [], duration=3.0, film=None, facts=facts
    )
    for name, value in (("span", "2.133 s"), ("min-on", "0.3 s"), ("background", "none")):
        assert f"<dt>{name}</dt><dd>{value}</dd>" in text
    assert "None: no class was above the onset" in text


@pytest.mark.skipif(not CHROMIUM, reason="needs chromium (apt install chromium)")
def test_a_click_jumps_and_the_running_class_is_named(tmp_path):
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    write_video(tmp_path / "film 1.mp4", [numbered_frame(i) for i in range(120)])
    (tmp_path / "page.html").write_text(page(), encoding="utf-8")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        opened = browser.new_page(viewport={"width": 375, "height": 800})
        problems = []
        opened.on("console", lambda message: problems.append(message.text))
        opened.on("pageerror", lambda error: problems.append(str(error)))
        opened.goto((tmp_path / "page.html").as_uri())
        opened.wait_for_function("document.getElementById('film').readyState >= 1")
        assert opened.evaluate("document.getElementById('film').duration") == pytest.approx(
            4, abs=0.1
        )
        opened.evaluate("document.getElementById('film').pause()")
        opened.locator(".segment").nth(1).dispatch_event("click")
        assert opened.evaluate("document.getElementById('film').currentTime") >= 2.0
        assert opened.locator("#now b").text_content() == "<run>, walk"
        opened.locator("#show-curves").uncheck()
        assert opened.evaluate("document.getElementById('curves').style.visibility") == "hidden"
        opened.locator("input[type=search]").fill("walk")
        assert opened.locator("#segment-table tbody tr:visible").count() == 1
        assert opened.evaluate("document.documentElement.scrollWidth") <= 375
        place = opened.locator("#line").bounding_box()
        assert place["x"] + place["width"] <= 375  # the whole line is seen
        opened.locator("#line").click(position={"x": place["width"] * 0.75, "y": 3})
        assert opened.evaluate("document.getElementById('film').currentTime") == pytest.approx(
            3, abs=0.5
        )
        assert opened.locator("#unplayable").is_hidden()
        assert problems == []
        (tmp_path / "film 1.mp4").write_bytes(b"no film")
        opened.reload()
        opened.locator("#unplayable").wait_for()
        assert "cannot play the file (film 1.mp4)" in opened.locator("#unplayable").inner_text()
        browser.close()
