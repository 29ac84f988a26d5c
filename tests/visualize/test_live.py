"""The page of a stream as it leaves the server: places for what its script will show."""

from timesformer.visualize.live import render_live


def test_there_are_as_many_lanes_and_bars_as_can_be_needed():
    for num_classes, bars, lanes in ((0, 5, 8), (3, 3, 3), (400, 5, 8)):
        text = render_live("", num_classes=num_classes, pictures=False)
        assert text.count('class="meter"') == bars
        assert text.count("<li><i style") == lanes
        assert "<title>Live</title>" in text


def test_names_are_escaped_and_the_page_may_ask_its_own_server_alone():
    text = render_live("<b>.mp4", num_classes=3, pictures=True)
    assert text.count("Live: &lt;b&gt;.mp4") == 2
    assert "default-src 'none'; img-src data: 'self'" in text
    assert "connect-src 'self'" in text
    assert "http://" not in text
    assert "https://" not in text


def test_the_picture_has_a_place_if_there_are_pictures():
    for pictures in (True, False):
        text = render_live("a", num_classes=3, pictures=pictures)
        assert ("no picture yet" in text) == pictures
