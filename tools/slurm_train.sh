#!/usr/bin/env bash
# Train on a Slurm cluster, one task per GPU.
#
#   GPUS=16 bash tools/slurm_train.sh gpu stage1 configs/stage1/x.py --work-dir work_dirs/x
#
# GPUS            GPUs of the job (8)
# GPUS_PER_NODE   GPUs of a machine (8, or GPUS when that is less)
# CPUS_PER_TASK   CPU cores per GPU: data workers + 1 (9)
# SRUN_ARGS       more arguments for srun, e.g. "--time=2-00:00:00 --exclusive"
# PYTHON          another interpreter than .venv's
set -euo pipefail

if [[ $# -lt 3 ]]; then
    echo "usage: [GPUS=8] [GPUS_PER_NODE=8] [CPUS_PER_TASK=9] [SRUN_ARGS=...]" \
        "bash tools/slurm_train.sh PARTITION JOB_NAME CONFIG [arguments of tools/train.py]" >&2
    exit 2
fi
partition="$1"
job_name="$2"
config="$3"
shift 3

gpus="${GPUS:-8}"
gpus_per_node="${GPUS_PER_NODE:-$((gpus < 8 ? gpus : 8))}"
# The one variable that holds several arguments: they are split at blanks.
read -r -a srun_args <<<"${SRUN_ARGS:-}"

tools="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
python="${PYTHON:-$tools/../.venv/bin/python}"
[[ -n "${PYTHON:-}" || -x "$python" ]] || python=python

exec srun --partition="$partition" \
    --job-name="$job_name" \
    --gres="gpu:$gpus_per_node" \
    --ntasks="$gpus" \
    --ntasks-per-node="$gpus_per_node" \
    --cpus-per-task="${CPUS_PER_TASK:-9}" \
    --kill-on-bad-exit=1 \
    ${srun_args[@]+"${srun_args[@]}"} \
    "$python" -u "$tools/train.py" "$config" --launcher slurm "$@"
