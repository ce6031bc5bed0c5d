"""Keep a generated part of a hand-written text file up to date."""

from pathlib import Path

from handvit.atomic_file import atomic_file


def check_section(path: Path, name: str) -> tuple[int, int]:
    """Find the lines ``<!-- NAME -->`` and ``<!-- /NAME -->``, numbered from zero.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file has not exactly one such pair of lines, in this order.
    """
    lines = [line.strip() for line in path.read_text().splitlines()]
    markers = [f"<!-- {name} -->", f"<!-- /{name} -->"]
    places = [number for number, line in enumerate(lines) if line in markers]
    if [lines[number] for number in places] != markers:
        raise ValueError(
            f"{path}: must hold the lines {markers[0]!r} and {markers[1]!r} once each, in this"
            " order; the text goes between them"
        )
    return places[0], places[1]


def write_section(path: Path, name: str, content: str) -> None:
    """Replace what stands between the two lines of ``check_section``."""
    first, last = check_section(path, name)
    lines = path.read_text().splitlines()
    lines[first + 1 : last] = ["", *content.strip("\n").splitlines(), ""]
    with atomic_file(path) as file:
        file.write(("\n".join(lines) + "\n").encode())
