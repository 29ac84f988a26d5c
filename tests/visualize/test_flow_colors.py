"""Flow as colours: hues of the directions, white where nothing moves."""

import numpy as np

from timesformer.visualize.flow_colors import flow_colors, full_speed


def test_directions_have_their_hues():
    motion = np.array([[4, 0], [0, 4], [-4, 0], [0, -4], [0, 0], [2, 0], [99, 0]], float)
    colors = flow_colors(motion, full=4.0).tolist()
    assert colors[0] == [255, 0, 0]  # right: red
    assert colors[1] == [128, 255, 0]  # down: yellow green
    assert colors[2] == [0, 255, 255]  # left: cyan
    assert colors[3] == [128, 0, 255]  # up: violet
    assert colors[4] == [255, 255, 255]
    assert colors[5] == [255, 128, 128]  # half as fast
    assert colors[6] == colors[0]


def test_full_colour_is_that_of_the_fastest_hundredth():
    motion = np.zeros((200, 2))
    motion[:4] = (3, 4)
    assert full_speed(motion) == 5
    assert full_speed(motion / 100) == 1
