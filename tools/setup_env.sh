#!/usr/bin/env bash
# Make `.venv` in the repository root hold HandViT (editable) and its pinned dependencies.
# Repeat it at any time: it does nothing when nothing changed, and finishes what was interrupted.
#
# PYTHON=...   the interpreter to make .venv with (3.10 to 3.13; default: the first one found)
#
# Which torch build is installed follows your own pip configuration; to choose another one, install
# it in .venv beforehand (torch >= 2.6): it stays.
set -euo pipefail

say() { printf '[setup] %s\n' "$@"; }
die() {
    printf '[setup] error: %s\n' "$@" >&2
    exit 1
}

if [[ $# -ne 0 ]]; then
    echo "usage: [PYTHON=python3.x] bash tools/setup_env.sh" >&2
    exit 2
fi
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"
cd "$root"
venv="$root/.venv"
venv_python="$venv/bin/python"
stamp="$venv/.handvit-setup"
constraints="requirements/constraints.txt"
export PIP_DISABLE_PIP_VERSION_CHECK=1
# Packages on the caller's PYTHONPATH must not look like installed ones.
unset PYTHONPATH PYTHONHOME

version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }
is_supported() { [[ "$1" =~ ^3\.(10|11|12|13)$ ]]; }
has_pip() { "$venv_python" -m pip show --quiet pip >/dev/null 2>&1; }
stamped() { [[ -f "$stamp" ]] && head -n 1 "$stamp"; }
pip_install() { "$venv_python" -m pip install "$@"; }
pip_uninstall() { "$venv_python" -m pip uninstall --quiet --yes "$@"; }

# Print the interpreter to use. 3.11 comes first: it is the version the pins are tested with most.
find_python() {
    local candidates=(python3.11 python3.12 python3.13 python3.10 python3 python)
    local candidate version tried="" without_venv=""
    [[ -z "${PYTHON:-}" ]] || candidates=("$PYTHON")
    for candidate in "${candidates[@]}"; do
        version="$(version_of "$candidate")" || version="not found"
        tried+="${tried:+, }$candidate ($version)"
        is_supported "$version" || continue
        if "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
        without_venv="$version"
    done
    [[ -z "$without_venv" ]] ||
        die "Python $without_venv cannot make virtual environments." \
            "On Debian and Ubuntu: apt-get install python$without_venv-venv (or python3-venv)."
    die "no Python 3.10 to 3.13 found; tried: $tried." \
        "Install one, or name it: PYTHON=/path/to/python3.11 bash tools/setup_env.sh"
}

# Stop when .venv holds another Python than this one needs or the caller asked for.
check_venv_version() {
    local version="$1" wanted
    is_supported "$version" ||
        die ".venv holds Python $version; HandViT needs 3.10 to 3.13. Remove it: rm -rf '$venv'"
    [[ -n "${PYTHON:-}" ]] || return 0
    wanted="$(version_of "$PYTHON")" || die "PYTHON=$PYTHON does not run."
    [[ "$wanted" == "$version" ]] ||
        die ".venv holds Python $version, but PYTHON=$PYTHON is $wanted." \
            "Unset PYTHON, or remove .venv: rm -rf '$venv'"
}

# pip writes INSTALLER and then RECORD after all other files: a package without them was cut off,
# and pip would take it for installed.
remove_half_installed() {
    local packages metadata
    packages="$("$venv_python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
    for metadata in "$packages"/*.dist-info; do
        if [[ -d "$metadata" && ! (-f "$metadata/INSTALLER" && -f "$metadata/RECORD") ]]; then
            say "repairing the interrupted installation of $(basename "$metadata" .dist-info)"
            rm -rf "$metadata"
        fi
    done
    rm -rf "$packages"/~*
}

# Keep a usable .venv; make one otherwise, or when an interrupted run left it without a working pip.
ensure_venv() {
    local version interpreter
    if version="$(version_of "$venv_python")"; then
        check_venv_version "$version"
        remove_half_installed
        has_pip && return
        say "adding pip to the existing .venv"
        "$venv_python" -m ensurepip >/dev/null && has_pip && return
        [[ "$(stamped)" == unfinished ]] ||
            die "the existing .venv has no working pip. Remove it: rm -rf '$venv'"
    fi
    interpreter="$(find_python)"
    say "making .venv with $interpreter (Python $(version_of "$interpreter"))"
    rm -rf "$venv"
    mkdir "$venv"
    echo unfinished >"$stamp"
    "$interpreter" -m venv "$venv"
}

# One word for everything that decides what .venv must hold. The folder is part of it: an editable
# installation points at one checkout.
fingerprint() {
    {
        printf '%s\n' "$root"
        cat requirements/*.txt pyproject.toml setup.py tools/setup_env.sh
    } | "$venv_python" -c 'import hashlib, sys
print(hashlib.sha256(sys.version.encode() + sys.stdin.buffer.read()).hexdigest())' 2>/dev/null
}

has_torch() {
    "$venv_python" -c 'import sys
from importlib.metadata import PackageNotFoundError, version
try:
    sys.exit(tuple(map(int, version("torch").split(".")[:2])) < (2, 6))
except PackageNotFoundError:
    sys.exit(1)'
}

# mmengine and mmcv-lite name opencv-python, whose import needs libGL, libxcb and glib of a desktop
# system. Servers and containers often lack them, and adding them takes root. The headless wheel is
# the same version of OpenCV without windows, which HandViT never opens: so exchange the wheels,
# only where the import fails. `pip check` then misses the name opencv-python; nothing else changes.
ensure_cv2() {
    local problem version
    if problem="$("$venv_python" -c 'import cv2' 2>&1)"; then return; fi
    say "opencv-python does not load here: ${problem##*$'\n'}"
    [[ "$problem" == *"cannot open shared object file"* ]] ||
        die "'import cv2' fails for another reason than a missing system library."
    version="$(sed -nE 's/^opencv-python==([0-9.]+).*/\1/p' "$constraints")"
    say "installing opencv-python-headless==$version in its place (the same library, no windows)" \
        "to use the other one: apt-get install libgl1 libglib2.0-0 libxcb1, then rm -rf .venv"
    pip_uninstall opencv-python
    pip_install --quiet --no-deps "opencv-python-headless==$version"
    "$venv_python" -c 'import cv2' || die "'import cv2' fails with the headless wheel too."
}

install_all() {
    # The build backend comes first, pinned, and HandViT is built without isolation: an isolated
    # build would fetch a second, unpinned setuptools.
    pip_install --quiet --constraint "$constraints" setuptools
    if ! has_torch; then
        say "installing torch: the build your pip configuration gives (may be a long download)"
        pip_install --constraint "$constraints" --requirement requirements/torch.txt
    fi
    # The two OpenCV wheels share the folder cv2 and must never lie over each other.
    if "$venv_python" -m pip show --quiet opencv-python-headless 2>/dev/null; then
        pip_uninstall opencv-python-headless opencv-python
    fi
    say "installing the pinned dependencies and HandViT itself (editable)"
    pip_install --quiet --constraint "$constraints" --no-build-isolation --editable '.[tests]'
    ensure_cv2
}

describe_torch() {
    "$venv_python" -c 'import torch
gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
build = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "built without CUDA"
print(f"torch {torch.__version__} {build};", "GPU: " + ", ".join(gpus) if gpus else "no GPU, using the CPU")'
}

# One set-up at a time: a second caller waits here, then finds the work done.
if command -v flock >/dev/null; then
    exec 9<tools/setup_env.sh
    flock --nonblock 9 || {
        say "waiting for another set-up of this folder"
        flock 9
    }
fi
current="$(fingerprint)" || current="no usable .venv"
if [[ "$(stamped)" == "$current" ]]; then
    check_venv_version "$(version_of "$venv_python")"
    say ".venv is up to date: $(tail -n 1 "$stamp")"
    exit 0
fi
ensure_venv
say "setting up .venv, Python $("$venv_python" -c 'import platform; print(platform.python_version())')"
echo unfinished >"$stamp"
install_all
summary="$(describe_torch)"
printf '%s\n%s\n' "$(fingerprint)" "$summary" >"$stamp.new"
mv "$stamp.new" "$stamp"
say "done: $summary"
