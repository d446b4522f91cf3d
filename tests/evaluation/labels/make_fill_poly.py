"""Write `fill_poly.npz`: random polygons and the pixels that OpenCV's `fillPoly` fills for them.

    pip install opencv-python-headless && python tests/evaluation/labels/make_fill_poly.py

OpenCV is needed for this alone. The versions 4.11.0 and 5.0.0 fill alike.
"""

from pathlib import Path

import cv2
import numpy as np

OUT = Path(__file__).with_name("fill_poly.npz")
# How many polygons, from and to which side of the picture, by how many pixels corners may lie outside, most corners.
SORTS = ((60, 20, 48, 0, 20), (80, 4, 12, 6, 4), (40, 10, 40, 1, 12), (40, 10, 40, 20, 12), (1, 300, 301, 5, 60))


def corners_of(rng: np.random.Generator, width: int, height: int, outside: int, most: int) -> np.ndarray:
    """Corners anywhere, whose sides cross each other, or around the picture's middle, as a thing's outline has them."""
    count = int(rng.integers(3, most + 1)) if most > 4 else int(rng.integers(1, 5))
    if rng.random() < 0.5:
        low, high = (-outside, -outside), (width + outside, height + outside)
        return rng.integers(low, high, (count, 2))
    angle = np.sort(rng.uniform(0, 2 * np.pi, count))
    radius = rng.uniform(0.2, 1, count) * (min(width, height) / 2 + outside)
    return np.stack([width / 2 + radius * np.cos(angle), height / 2 + radius * np.sin(angle)], axis=1).astype(int)


def main() -> None:
    rng = np.random.default_rng(19)
    sizes, counts, corners, bits = [], [], [], []
    for polygons, low, high, outside, most in SORTS:
        for _ in range(polygons):
            width, height = (int(side) for side in rng.integers(low, high, 2))
            points = corners_of(rng, width, height, outside, most)
            picture = np.zeros((height, width), np.uint8)
            cv2.fillPoly(picture, [points.astype(np.int32)], 1)
            sizes.append((width, height))
            counts.append(len(points))
            corners.append(points)
            bits.append(picture.ravel() > 0)
    np.savez_compressed(
        OUT,
        sizes=np.array(sizes, np.int16),
        counts=np.array(counts, np.int16),
        corners=np.concatenate(corners).astype(np.int16),
        filled=np.packbits(np.concatenate(bits)),
        opencv=np.array(cv2.__version__),
    )


if __name__ == "__main__":
    main()
