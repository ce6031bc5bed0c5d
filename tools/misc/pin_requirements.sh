#!/usr/bin/env bash
# Rewrite requirements/constraints.txt from the ranges in requirements/*.txt, for every supported
# Python at once. Needs `uv` on the PATH or in .venv (`.venv/bin/python -m pip install uv`).
set -euo pipefail

if [[ $# -ne 0 ]]; then
    echo "usage: bash tools/misc/pin_requirements.sh" >&2
    exit 2
fi
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
PATH="$PATH:$PWD/.venv/bin"

pins=$(mktemp)
trap 'rm -f "$pins"' EXIT
# numpy and scipy stay at one generation from Python 3.11 on: the one the tests run against.
printf 'numpy<2.5\nscipy<1.18\n' | uv pip compile --quiet --universal --python-version 3.10 \
    --no-annotate --no-header --no-emit-index-url --no-emit-find-links --constraints - \
    requirements/{torch,runtime,tests,optional}.txt >"$pins"

# torch and what its builds bring along depend on the machine: see requirements/torch.txt.
{
    cat <<'HEADER'
# Exact versions for Python 3.10 to 3.13, all extras included; written by
# tools/misc/pin_requirements.sh. torch and the packages of its CUDA builds are left out on
# purpose: see requirements/torch.txt.
HEADER
    grep -vE '^(torch|triton|nvidia-[a-z0-9-]+|cuda-[a-z0-9-]+)==' "$pins"
} >requirements/constraints.txt
