"""A real browser opens each page: no error, no request, nothing too wide; filters, sorting, zoom work."""

import shutil
from types import SimpleNamespace

import pytest

from tests.detection.made import made_detection_report
from tests.detection.online_evaluation.made import made_stream_report
from tests.features.made import made_cluster_report
from tests.visualize.made_report import made_comparison, made_frames, made_report
from tests.visualize.test_data_check import problem
from tests.visualize.test_data_check import render as render_check
from timesformer.io.json_text import finite
from timesformer.visualize.cluster_page import render_clusters
from timesformer.visualize.detection_report_page import render_detection_report
from timesformer.visualize.gallery import shown_videos
from timesformer.visualize.online_report_page import render_online_report
from timesformer.visualize.report_page import render_comparison, render_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="needs chromium (apt install chromium)"),
]
PHONE, DESK = 375, 1280  # pixels
LARGE = 60  # classes: their matrix is a picture


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    with playwright.sync_playwright() as driver:
        yield driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    report, comparison = made_report(), made_comparison()
    pages = {
        "report": render_report(report, made_frames(shown_videos(report))),
        "large": render_report(made_report(LARGE, 3000)),
        "comparison": render_comparison(comparison, made_frames(shown_videos(comparison))),
        "detection": render_detection_report(made_detection_report()),
        "online": render_online_report(finite(made_stream_report(noise=4))),
        "clusters": render_clusters(made_cluster_report()),
        "check": render_check([problem(i, f"{i % 7}.mp4") for i in range(1, 12)]),
    }
    for name, text in pages.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def visit(browser, files):
    """Open a page by its name; at the end of the test it has made no error and no request."""
    opened = []

    def visit(name, *, width=DESK, **options):
        context = browser.new_context(viewport={"width": width, "height": 800}, **options)
        page = context.new_page()
        seen = SimpleNamespace(errors=[], requests=[])
        page.on("console", lambda message: seen.errors.append(message.text))
        page.on("pageerror", lambda error: seen.errors.append(str(error)))
        page.on("request", lambda request: seen.requests.append(request.url))
        page.goto((files / f"{name}.html").as_uri())
        page.seen = seen
        opened.append((context, seen))
        return page

    yield visit
    for context, seen in opened:
        assert seen.errors == []
        assert [url for url in seen.requests if not url.startswith("data:")][1:] == []
        context.close()


def column(page, table, number):
    return page.locator(f"{table} tbody tr > :nth-child({number})").all_inner_texts()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESK])
@pytest.mark.parametrize(
    "name", ["report", "large", "comparison", "detection", "online", "clusters", "check"]
)
def test_nothing_is_wider_than_the_screen(visit, name, width, scheme):
    page = visit(name, width=width, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(21, 24, 28)"}[scheme]


@pytest.mark.parametrize(
    "name", ["report", "comparison", "detection", "online", "clusters", "check"]
)
def test_without_the_script_everything_is_there_but_the_controls(visit, name):
    page = visit(name, java_script_enabled=False)
    assert page.locator("h1").is_visible()
    assert page.locator("table").first.is_visible()
    assert not any(box.is_visible() for box in page.locator("input").all())


def test_the_browser_lets_a_page_ask_for_nothing(visit):
    page = visit("report")
    answer = "fetch('data:text/plain,x').then(() => 'loaded', () => 'refused')"
    assert page.evaluate(answer) == "refused"
    page.seen.errors.clear()  # the refusal is logged


def test_a_click_on_a_head_sorts_and_another_one_turns_the_order(visit):
    page = visit("report")
    videos = page.get_by_role("button", name="videos", exact=False).first
    videos.click()
    supports = [int(text) for text in column(page, "#per-class", 2)]
    assert supports == sorted(supports)
    assert page.locator("#per-class th[aria-sort=ascending]").inner_text().startswith("videos")
    videos.click()
    assert [int(text) for text in column(page, "#per-class", 2)] == supports[::-1]
    page.locator("#per-class thead").get_by_text("class", exact=True).click()
    names = column(page, "#per-class", 1)
    assert names == sorted(names)


def test_the_keyboard_sorts_too(visit):
    page = visit("comparison")
    change = page.locator("#per-class thead button").nth(4)
    change.focus()
    page.keyboard.press("Enter")
    changes = [float(text.replace("−", "-")) for text in column(page, "#per-class", 5)]
    assert changes == sorted(changes)


def test_a_filter_leaves_the_classes_that_have_the_text(visit):
    page = visit("report")
    page.get_by_label("filter by class", exact=True).fill("JUMP")
    shown = page.locator("#per-class tbody tr:visible th").all_inner_texts()
    assert sorted(shown) == ["high jump", "long jump"]
    assert page.get_by_text("2 of 8").is_visible()
    page.get_by_label("filter by class", exact=True).fill("")
    assert page.locator("#per-class tbody tr:visible").count() == 8


def test_the_gallery_shows_the_videos_of_a_class_and_opens_what_is_folded(visit):
    page = visit("report")
    page.get_by_label("filter by class or name").fill("playing piano")
    cards = page.locator("#gallery li:visible")
    assert cards.count() > 0
    assert all("playing piano" in text for text in cards.all_inner_texts())
    assert page.locator("#gallery details:not([open])").count() == 0


def test_problems_of_a_data_set_are_filtered_and_sorted(visit):
    page = visit("check")
    page.locator("input[data-filter=problems]").fill("3.mp4")
    assert page.locator("#problems tbody tr:visible").count() == 2
    page.locator("#problems thead button", has_text="video").click()
    names = column(page, "#problems", 3)
    assert names == sorted(names)


def test_the_matrix_says_what_is_in_a_cell_and_zooms(visit):
    page = visit("large")
    report = made_report(LARGE, 3000)
    order, counts = report["confusion_order"], report["confusion"]
    names = report["classes"]["names"]
    box = page.locator("#matrix canvas").bounding_box()
    cell = box["width"] / LARGE
    page.locator("#matrix canvas").click(position={"x": 2.5 * cell, "y": 1.5 * cell})
    said = page.locator("#cell").inner_text()
    k, p = order[1], order[2]
    assert said.startswith(f"{names[k]} → {names[p]}: {counts[k][p]} video")
    page.locator("#matrix").focus()
    page.keyboard.press("ArrowLeft")
    assert f"{names[k]} → right: {counts[k][k]} video" in page.locator("#cell").inner_text()
    page.locator("#zoom").fill("100")
    assert page.locator("#matrix canvas").bounding_box()["width"] == pytest.approx(
        20 * LARGE, abs=2
    )
    assert page.locator("#matrix .labels.rows span").nth(0).inner_text() == names[order[0]]
    page.get_by_label("in the order of the labels").check()
    assert page.locator("#matrix .labels.rows span").nth(0).inner_text() == names[0]


def test_a_matrix_has_the_pixels_of_its_counts(visit):
    page = visit("large")
    report = made_report(LARGE, 3000)
    order, counts = report["confusion_order"], report["confusion"]
    alpha = page.evaluate(
        """() => {
            const canvas = document.querySelector("#matrix canvas");
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            return [...data].filter((_, i) => i % 4 === 3);
        }"""
    )
    assert [value > 0 for value in alpha] == [counts[k][p] > 0 for k in order for p in order]


def test_a_tap_on_a_phone_shows_the_cell(visit):
    page = visit("large", width=PHONE, has_touch=True)
    page.locator("#matrix canvas").tap(position={"x": 3, "y": 3})
    assert " video" in page.locator("#cell").inner_text()
