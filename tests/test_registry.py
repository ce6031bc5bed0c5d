"""Every slot looks in its own folder, and MMEngine's root finds what is in it."""

import importlib

import pytest
from mmengine.registry import DefaultScope, Registry

from handvit import registry

REGISTRIES = {name: slot for name, slot in vars(registry).items() if isinstance(slot, Registry)}
SLOTS = {name: slot for name, slot in REGISTRIES.items() if slot.scope == registry.SCOPE}
EXAMPLES = {
    "MODELS": "HandPoseEstimator",
    "DATASETS": "HandClipDataset",
    "DATA_SAMPLERS": "InfiniteMixtureSampler",
    "FUNCTIONS": "hand_collate",
    "METRICS": "HandMetric",
    "RUNNERS": "HandRunner",
}


@pytest.mark.parametrize("slot", SLOTS.values(), ids=SLOTS)
def test_slot_is_a_child_of_mmengines_root_of_the_same_kind(slot):
    assert slot.parent.scope == "mmengine"
    assert slot.parent.name == slot.name
    assert slot.root is slot.parent


@pytest.mark.parametrize("slot", SLOTS.values(), ids=SLOTS)
def test_slot_holds_only_classes_of_its_folders(slot):
    for location in slot._locations:
        importlib.import_module(location)
    modules = {entry.__module__ for entry in slot.module_dict.values()}
    own = {module for module in modules if module.startswith("handvit.")}  # a project adds others
    assert {module for module in own if module.startswith(tuple(slot._locations))} == own


@pytest.mark.parametrize(("name", "example"), EXAMPLES.items())
def test_root_finds_the_entry_by_its_scope(name, example):
    slot = SLOTS[name]
    assert slot.get(example).__name__ == example
    assert slot.parent.get(f"{registry.SCOPE}.{example}") is slot.get(example)


@pytest.mark.parametrize(("name", "example"), EXAMPLES.items())
def test_root_builds_the_entry_in_the_default_scope(name, example):
    root = SLOTS[name].parent
    with (
        DefaultScope.overwrite_default_scope(registry.SCOPE),
        root.switch_scope_and_registry(None) as found,
    ):
        assert found.get(example) is SLOTS[name].get(example)


def test_slot_finds_mmengines_own_classes():
    assert registry.METRICS.get("DumpResults").__module__.startswith("mmengine.")
