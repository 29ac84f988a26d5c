import io

import numpy as np
from matplotlib.image import imread

from timesformer.visualize.matrix_image import matrix_png


def test_a_pixel_a_cell_in_the_order_transparent_without_videos():
    data = matrix_png(np.array([[3, 0], [1, 4]]), [1, 0])
    pixels = imread(io.BytesIO(data))
    assert pixels.shape == (2, 2, 4)
    assert (pixels[..., 3] > 0).tolist() == [[True, True], [False, True]]
    right, wrong = pixels[0, 0, :3], pixels[0, 1, :3]
    assert np.ptp(right) < 0.1 < np.ptp(wrong)  # grey, and a colour
    assert data == matrix_png(np.array([[3, 0], [1, 4]]), [1, 0])
