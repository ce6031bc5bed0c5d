"""Turn the images of ARCTIC's head-mounted camera into pinhole images."""

from pathlib import Path

import cv2
import numpy as np

from handvit.datasets.shards.image_codec import decode_image

JPEG_QUALITY = 97
_NOWHERE = -10.0  # px, what lies there is black


class Undistortion:
    """Resample images of a camera with lens distortion to those of the same camera without.

    Args:
        intrinsics: (3, 3) of both cameras, px.
        distortion: (8,) k1 k2 p1 p2 k3 k4 k5 k6 of OpenCV's rational model.
        size: width and height of both images, px.
    """

    def __init__(
        self, intrinsics: np.ndarray, *, distortion: np.ndarray, size: tuple[int, int]
    ) -> None:
        self._size = size
        x, y = cv2.initUndistortRectifyMap(
            intrinsics, distortion, None, intrinsics, size, cv2.CV_32FC1
        )
        rays = [
            (np.arange(size[axis]) - intrinsics[axis, 2]) / intrinsics[axis, axis]
            for axis in (0, 1)
        ]
        beyond = np.hypot(*np.meshgrid(*rays)) > largest_radius(distortion)
        x[beyond] = y[beyond] = _NOWHERE
        self._maps = cv2.convertMaps(x, y, cv2.CV_16SC2)

    def read(self, path: Path) -> bytes:
        """Return an image file as a pinhole JPEG.

        A file that does not decode to the size of the camera returns as it is, for the view to
        refuse.

        Raises:
            OSError: there is no such file.
        """
        encoded = path.read_bytes()
        try:
            pixels = decode_image(encoded, self._size)
        except ValueError:
            return encoded
        pixels = cv2.cvtColor(self.resample(pixels), cv2.COLOR_RGB2BGR)
        return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()

    def resample(self, pixels: np.ndarray) -> np.ndarray:
        """Return what the pinhole camera sees, (H, W, 3) uint8; black where the lens saw nothing.

        Bilinear.
        """
        return cv2.remap(pixels, *self._maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)


def largest_radius(distortion: np.ndarray) -> float:
    """Return up to which distance from the axis, at z = 1, the model maps outer rays outwards.

    Beyond it the polynomials fold the image back onto itself, which no lens does.
    """
    k1, k2, _, _, k3, k4, k5, k6 = distortion
    radius = np.linspace(0, 5, 5001)
    squared = radius**2
    above = 1 + squared * (k1 + squared * (k2 + squared * k3))
    below = 1 + squared * (k4 + squared * (k5 + squared * k6))
    # From a pole on, the distance counts as zero: a step back.
    distance = np.divide(radius * above, below, out=np.zeros_like(radius), where=below > 0)
    folded = np.flatnonzero(np.diff(distance) <= 0)
    return float(radius[folded[0]]) if len(folded) else np.inf
