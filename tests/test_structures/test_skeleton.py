import numpy as np
import pytest

from handvit.structures.skeleton import (
    BONES,
    FINGERTIP_VERTICES,
    INTERHAND_TO_CANONICAL,
    KEYPOINT_NAMES,
    MANO_TO_CANONICAL,
    NUM_KEYPOINTS,
    NUM_VERTICES,
    RHD_TO_CANONICAL,
    WRIST,
    fingertip_vertices,
)

MANO_NAMES = (
    "wrist",
    *(
        f"{finger}{i}"
        for finger in ("index", "middle", "pinky", "ring", "thumb")
        for i in (1, 2, 3)
    ),
    *(f"{finger}4" for finger in ("thumb", "index", "middle", "ring", "pinky")),
)
TIP_TO_BASE = tuple(
    f"{finger}{i}" for finger in ("thumb", "index", "middle", "ring", "pinky") for i in (4, 3, 2, 1)
)


def test_canonical_names():
    assert len(KEYPOINT_NAMES) == NUM_KEYPOINTS == 21
    assert KEYPOINT_NAMES[WRIST] == "wrist"
    assert [KEYPOINT_NAMES[i] for i in (1, 4, 5, 9, 13, 17, 20)] == [
        "thumb1", "thumb4", "index1", "middle1", "ring1", "pinky1", "pinky4",
    ]  # fmt: skip


def test_every_joint_of_mano_lands_on_its_name():
    assert tuple(MANO_NAMES[source] for source in MANO_TO_CANONICAL) == KEYPOINT_NAMES


def test_every_joint_of_interhand_and_rhd_lands_on_its_name():
    interhand = (*TIP_TO_BASE, "wrist")
    assert tuple(interhand[source] for source in INTERHAND_TO_CANONICAL) == KEYPOINT_NAMES
    rhd = ("wrist", *TIP_TO_BASE)
    assert tuple(rhd[source] for source in RHD_TO_CANONICAL) == KEYPOINT_NAMES


def test_tip_vertices_of_the_left_hand():
    assert fingertip_vertices("smplx", is_right=False) == FINGERTIP_VERTICES["smplx"]
    assert fingertip_vertices("manopth", is_right=True) == FINGERTIP_VERTICES["manopth"]
    assert fingertip_vertices("manopth", is_right=False) == (745, 317, 445, 556, 673)
    with pytest.raises(ValueError, match="fingertips: 'mano' is unknown"):
        fingertip_vertices("mano", is_right=True)


def test_bones_form_five_chains_from_the_wrist():
    assert sorted(child for _, child in BONES) == list(range(1, 21))
    for parent, child in BONES:
        if KEYPOINT_NAMES[child].endswith("1"):
            assert parent == WRIST
        else:
            finger, joint = KEYPOINT_NAMES[child][:-1], int(KEYPOINT_NAMES[child][-1])
            assert KEYPOINT_NAMES[parent] == f"{finger}{joint - 1}"


def test_tip_vertices_of_the_annotation_of_ho3d():
    assert FINGERTIP_VERTICES["honnotate"] == (745, 320, 444, 555, 657)


@pytest.mark.parametrize("name", FINGERTIP_VERTICES)
def test_fingertips_are_five_vertices(name):
    tips = np.array(FINGERTIP_VERTICES[name])
    assert tips.shape == (5,) and len(set(tips)) == 5 and (tips < NUM_VERTICES).all()
