#!/usr/bin/env bash
# Train with one process per GPU; on a machine without GPUs, with that many CPU processes.
#
#   bash tools/dist_train.sh configs/stage1/x.py 8 --work-dir work_dirs/x --resume
#
# Several machines, which need the same files: run it on each, with the same NUM_GPUS.
#
#   NNODES=2 NODE_RANK=0 MASTER_ADDR=10.0.0.1 bash tools/dist_train.sh CONFIG 8   # on 10.0.0.1
#   NNODES=2 NODE_RANK=1 MASTER_ADDR=10.0.0.1 bash tools/dist_train.sh CONFIG 8   # on the other
#
# NNODES                          number of machines (1)
# NODE_RANK                       number of this machine, from 0 (0)
# MASTER_ADDR                     address of machine 0 (127.0.0.1)
# PORT                            a free port of machine 0 (29500)
# MAX_RESTARTS                    how often to start all processes again after one has failed; give
#                                 --resume, too; one machine only (0)
# TORCH_ELASTIC_SHUTDOWN_TIMEOUT  seconds in which processes must save and end after SIGTERM (120;
#                                 torch versions that do not know it: 30)
# PYTHON                          another interpreter than .venv's
set -euo pipefail

if [[ $# -lt 2 || ! "$2" =~ ^[1-9][0-9]*$ ]]; then
    echo "usage: bash tools/dist_train.sh CONFIG NUM_GPUS [arguments of tools/train.py]" >&2
    exit 2
fi
if [[ "${NNODES:-1}" != 1 && "${MAX_RESTARTS:-0}" != 0 ]]; then
    echo "MAX_RESTARTS=$MAX_RESTARTS: works on one machine only; unset it, and after a failure run" \
        "this script on all $NNODES machines again, with --resume" >&2
    exit 2
fi
config="$1"
num_gpus="$2"
shift 2

tools="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
python="${PYTHON:-$tools/../.venv/bin/python}"
[[ -n "${PYTHON:-}" || -x "$python" ]] || python=python
export TORCH_ELASTIC_SHUTDOWN_TIMEOUT="${TORCH_ELASTIC_SHUTDOWN_TIMEOUT:-120}"

# exec, so that signals to this script reach the launcher, which passes them on.
exec "$python" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" \
    --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --master_port="${PORT:-29500}" \
    --nproc_per_node="$num_gpus" \
    --max_restarts="${MAX_RESTARTS:-0}" \
    "$tools/train.py" "$config" --launcher pytorch "$@"
