import numpy as np

from handvit.visualization.draw_mesh import draw_mesh

# A square of 0.2 m across, 1 m in front of the camera, facing it.
VERTICES = np.array([[-0.1, -0.1, 1.0], [0.1, -0.1, 1.0], [0.1, 0.1, 1.0], [-0.1, 0.1, 1.0]])
FACES = np.array([[0, 2, 1], [0, 3, 2]])


def draw(vertices=VERTICES, opacity=1.0) -> np.ndarray:
    image = np.full((60, 80, 3), 10, dtype=np.uint8)
    return draw_mesh(
        image,
        vertices,
        faces=FACES,
        focal=np.array([100.0, 100.0]),
        princpt=np.array([40.0, 30.0]),
        opacity=opacity,
    )


def test_mesh_covers_its_projection():
    drawn = (draw() != 10).any(axis=-1)
    rows, columns = np.nonzero(drawn)
    assert (rows.min(), rows.max()) == (20, 40) and (columns.min(), columns.max()) == (30, 50)
    assert drawn.sum() == 21 * 21


def test_slanted_surfaces_are_darker():
    slanted = VERTICES + np.array([[0.0, 0, -0.15], [0, 0, 0.15], [0, 0, 0.15], [0, 0, -0.15]])
    assert draw(slanted)[30, 40].astype(int).sum() < draw()[30, 40].astype(int).sum()


def test_opacity_blends():
    image, solid, half = 10, draw()[30, 40].astype(float), draw(opacity=0.5)[30, 40]
    assert np.abs(half - (image + solid) / 2).max() <= 1


def test_hands_outside_leave_the_image_alone():
    assert (draw(VERTICES + np.array([5.0, 0, 0])) == 10).all()
