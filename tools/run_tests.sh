#!/usr/bin/env bash
# Run the tests in .venv, setting it up first; arguments go to pytest.
#
#   bash tools/run_tests.sh                         everything
#   bash tools/run_tests.sh tests/test_geometry -x  one folder, stopping at the first failure
#   bash tools/run_tests.sh -n 0 --pdb              in one process, with the debugger
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash tools/setup_env.sh </dev/null

# Two processes of one thread each: tiny tensors gain nothing from threads, and threads of several
# processes on the same cores slow each other down.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
export MKL_NUM_THREADS="${MKL_NUM_THREADS:-1}"
export OPENBLAS_NUM_THREADS="${OPENBLAS_NUM_THREADS:-1}"
# No test talks to a server, nor waits for one.
export HF_HUB_OFFLINE=1
export WANDB_MODE=offline
export MPLBACKEND=Agg
export TOKENIZERS_PARALLELISM=false

# A file's tests stay together (loadfile), so that a fixture of its own is made once.
exec .venv/bin/python -m pytest -n 2 --dist loadfile "$@"
