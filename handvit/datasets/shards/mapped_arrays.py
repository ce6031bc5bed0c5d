"""Keep named arrays in one file that processes map into memory instead of reading it.

The file is an uncompressed ``.npz``, so ``np.load`` reads it too. The members are aligned in it,
and all processes that map it share the same pages of memory.
"""

import mmap
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

_ALIGNMENT = 64  # bytes; the header of a .npy is a multiple of it
_FIXED_HEADER = 30  # bytes of a zip member's local header before its name
_ZIP64_EXTRA = 20  # bytes that zipfile appends to the extra field
_PADDING_ID = 0xD935  # what Android's zipalign uses; readers skip extra fields they do not know


def write_arrays(file: BinaryIO, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays one after the other, without any trace of when."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy")
            member.extra = _padding(file.tell() + _FIXED_HEADER + len(member.filename))
            with archive.open(member, "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, array, version=(1, 0), allow_pickle=False)


def map_arrays(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a file, read-only and mapped; opening takes no longer for long arrays.

    Raises:
        OSError: the file is missing.
        ValueError, zipfile.BadZipFile: it is cut, compressed, or no file of arrays.
    """
    with path.open("rb") as file, zipfile.ZipFile(file) as archive:
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return {
            member.filename.removesuffix(".npy"): _view_member(content, file, member)
            for member in archive.infolist()
        }


def _padding(offset: int) -> bytes:
    """Return the extra field that makes the data of a member start at a multiple of 64 bytes."""
    offset += 4 + _ZIP64_EXTRA
    size = -offset % _ALIGNMENT
    return struct.pack("<HH", _PADDING_ID, size) + bytes(size)


def _view_member(content: mmap.mmap, file: BinaryIO, member: zipfile.ZipInfo) -> np.ndarray:
    if member.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{member.filename} is compressed")
    file.seek(member.header_offset)
    lengths = struct.unpack("<HH", file.read(_FIXED_HEADER)[-4:])  # of name and extra field
    file.seek(sum(lengths), 1)
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError(f"{member.filename} has another version of the npy format")
    shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
    if is_fortran:
        raise ValueError(f"{member.filename} is stored column by column")
    if dtype.hasobject:
        raise ValueError(f"{member.filename} holds Python objects")
    return np.ndarray(shape, dtype, content, offset=file.tell())
