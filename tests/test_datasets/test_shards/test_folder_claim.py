import pytest

from handvit.datasets.shards.folder_claim import claim_folder

SETTINGS = {"split": "train", "limits": {"depth": (0.2, 1.2)}}


def test_a_new_folder_is_taken_and_taken_again_by_the_same(tmp_path):
    root = tmp_path / "deep" / "folder"
    claim_folder(root, "claim.json", SETTINGS)
    claim_folder(root, "claim.json", SETTINGS)
    assert [path.name for path in root.iterdir()] == ["claim.json"]


def test_an_empty_folder_is_taken(tmp_path):
    (tmp_path / ".hidden").touch()
    claim_folder(tmp_path, "claim.json", SETTINGS)
    assert (tmp_path / "claim.json").is_file()


def test_other_settings_are_named(tmp_path):
    claim_folder(tmp_path, "claim.json", SETTINGS)
    with pytest.raises(ValueError, match="split is 'train' there and 'val' here"):
        claim_folder(tmp_path, "claim.json", {**SETTINGS, "split": "val"})


def test_files_of_others_are_not_touched(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(ValueError, match=r"holds files but no claim\.json"):
        claim_folder(tmp_path, "claim.json", SETTINGS)
