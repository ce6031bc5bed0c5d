"""Check that lengths are metres, by the size of the hands."""

import numpy as np

from handvit.datasets.doctor.finding import Finding, Status, grade, skipped, worst_ids
from handvit.datasets.doctor.label_table import MOST_KEYPOINTS, LabelTable

#: Metres. A toddler's fist is larger, the spread hand of the tallest man smaller.
MIN_EXTENT, MAX_EXTENT = 0.05, 0.35
#: Units that labels may be in instead, and how many metres each is.
_UNITS = {
    "millimetres (divide by 1000)": 0.001,
    "centimetres (divide by 100)": 0.01,
    "decimetres (divide by 10)": 0.1,
    "kilometres (multiply by 1000)": 1000.0,
}
FAIL_SIZES = 0.01


def check_units(table: LabelTable) -> Finding:
    """Compare the size of hands with that of people: millimetres or centimetres for metres."""
    name = "units"
    known = np.isfinite(table.extent)
    if not known.any():
        return skipped(name, f"no hand has {MOST_KEYPOINTS} 3D keypoints")
    extent = table.extent[known]
    is_odd = (extent < MIN_EXTENT) | (extent > MAX_EXTENT)
    status = grade(is_odd.mean(), warning=0, failure=FAIL_SIZES)
    return Finding(
        name=name,
        status=status,
        sentence=(
            f"hands measure {np.median(extent):.3g} m across (median); {is_odd.mean():.1%} are"
            f" outside {MIN_EXTENT} to {MAX_EXTENT} m (failure above {FAIL_SIZES:.0%})"
            f"{_hint(np.median(extent[is_odd])) if status is Status.FAILED else ''}"
        ),
        worst=worst_ids(
            table.sample_id[known], is_odd * np.abs(np.log(np.maximum(extent, 1e-9) / 0.2))
        ),
        numbers={
            "extent_median_m": np.median(extent),
            "extent_min_m": extent.min(),
            "extent_max_m": extent.max(),
            "odd_share": is_odd.mean(),
        },
    )


def _hint(extent: float) -> str:
    for unit, metres in _UNITS.items():
        if MIN_EXTENT < extent * metres < MAX_EXTENT:
            return f"; the labels look like {unit}"
    return "; the labels are in no unit known here, or hold wrong points"
