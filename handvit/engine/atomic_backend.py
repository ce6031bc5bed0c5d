"""Write files whole or not at all.

MMEngine 0.10 writes checkpoints in place; a run killed while saving leaves half a file, possibly
the very one that ``last_checkpoint`` names. This backend replaces its local one.
"""

import io
import os
import tempfile
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend


class AtomicLocalBackend(LocalBackend):
    """Local files, written beside their place, synced, then renamed."""

    def put(self, obj: bytes | io.BytesIO, filepath: str | Path) -> None:
        """Write bytes so that ``filepath`` is at any time either the old or the new file."""
        write_atomically(Path(filepath), obj.getvalue() if isinstance(obj, io.BytesIO) else obj)

    def put_text(self, obj: str, filepath: str | Path, encoding: str = "utf-8") -> None:
        """Write text so that ``filepath`` is at any time either the old or the new file."""
        write_atomically(Path(filepath), obj.encode(encoding))


def write_atomically(path: Path, content: bytes) -> None:
    """Write ``content`` beside ``path``, sync it to disk, and rename it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(
        dir=path.parent, prefix=f".{path.name}.", suffix=".tmp"
    )
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


register_backend("local", AtomicLocalBackend, prefixes="", force=True)
