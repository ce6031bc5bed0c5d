#!/usr/bin/env bash
# Evaluate with one process per GPU; on a machine without GPUs, with that many CPU processes.
#
#   bash tools/dist_test.sh configs/stage1/x.py work_dirs/x/iter_100000.pth 8
#
# More machines: run it on each with NNODES (number of machines), NODE_RANK (0 on the first one),
# MASTER_ADDR (address of the first one) and, when 29500 is taken, PORT. PYTHON names another
# interpreter than .venv's.
set -euo pipefail

if [[ $# -lt 3 || ! "$3" =~ ^[1-9][0-9]*$ ]]; then
    echo "usage: bash tools/dist_test.sh CONFIG CHECKPOINT NUM_GPUS [arguments of tools/test.py]" >&2
    exit 2
fi
config="$1"
checkpoint="$2"
num_gpus="$3"
shift 3

tools="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
python="${PYTHON:-$tools/../.venv/bin/python}"
[[ -n "${PYTHON:-}" || -x "$python" ]] || python=python

exec "$python" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" \
    --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --master_port="${PORT:-29500}" \
    --nproc_per_node="$num_gpus" \
    "$tools/test.py" "$config" "$checkpoint" --launcher pytorch "$@"
