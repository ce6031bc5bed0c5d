import pytest

from handvit.engine.training_stop import (
    DiskShortage,
    MemoryShortage,
    NonFiniteError,
    Preempted,
    Stall,
    TrainingStop,
)

REASONS = (NonFiniteError, MemoryShortage, DiskShortage, Stall, Preempted)


def test_every_reason_has_a_code_of_its_own():
    codes = [reason.code for reason in REASONS]
    assert codes == [70, 71, 74, 75, 143]


@pytest.mark.parametrize("reason", REASONS)
def test_a_reason_is_caught_as_a_stop_and_says_its_message(reason):
    with pytest.raises(TrainingStop, match="no room left"):
        raise reason("no room left")
