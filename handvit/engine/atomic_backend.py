"""Make MMEngine write files whole or not at all.

MMEngine 0.10 writes checkpoints in place; a run killed while saving leaves half a file, possibly
the very one that ``last_checkpoint`` names. This backend replaces its local one.
"""

import io
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend

from handvit.atomic_file import atomic_file
from handvit.engine.disk_space import full_disk_is_shortage, require_space


class AtomicLocalBackend(LocalBackend):
    """Local files, written beside their place, synced, then renamed."""

    def put(self, obj: bytes | io.BytesIO, filepath: str | Path) -> None:
        """Write bytes so that ``filepath`` is at any time either the old or the new file.

        Raises:
            DiskShortage: both do not fit on the disk; the old one is still there.
        """
        content = obj.getbuffer() if isinstance(obj, io.BytesIO) else obj
        path = Path(filepath)
        path.parent.mkdir(parents=True, exist_ok=True)
        require_space(path.parent, path.name, len(content))
        with full_disk_is_shortage(path.parent), atomic_file(path) as file:
            file.write(content)

    def put_text(self, obj: str, filepath: str | Path, encoding: str = "utf-8") -> None:
        """Write text so that ``filepath`` is at any time either the old or the new file."""
        self.put(obj.encode(encoding), filepath)


register_backend("local", AtomicLocalBackend, prefixes="", force=True)
