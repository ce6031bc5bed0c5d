"""Ask Linux how much memory a process takes."""

import re
from pathlib import Path


def resident_memory(process: int) -> float:
    """Return what a process has in memory, MB; what several share counts fully for each."""
    return _field(process, "status", "VmRSS")


def shared_out_memory(process: int) -> float:
    """Return the proportional set size, MB: what N processes share counts 1/N for each."""
    return _field(process, "smaps_rollup", "Pss")


def _field(process: int, file: str, field: str) -> float:
    text = Path(f"/proc/{process}/{file}").read_text()
    return int(re.search(rf"^{field}:\s+(\d+) kB", text, re.MULTILINE)[1]) / 1024
