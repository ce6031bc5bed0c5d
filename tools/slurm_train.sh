#!/usr/bin/env bash
# Train on a Slurm cluster, one task per GPU.
#
#   GPUS=16 bash tools/slurm_train.sh gpu stage1 configs/stage1/x.py --work-dir work_dirs/x
#   BATCH=1 GPUS=16 bash tools/slurm_train.sh gpu stage1 configs/stage1/x.py --work-dir work_dirs/x
#
# The first waits for the GPUs and trains in this terminal. The second submits a job that returns to
# the queue when it is preempted or its time is up, and then goes on from the checkpoint that it has
# written in the seconds before.
#
# BATCH           1: submit a job (0)
# GPUS            GPUs of the job (8)
# GPUS_PER_NODE   GPUs of a machine (8, or GPUS when that is less)
# CPUS_PER_TASK   CPU cores per GPU: data workers + 1 (9)
# WARNING_TIME    seconds before the end of its time in which a job saves a checkpoint (120)
# SRUN_ARGS       more arguments for srun or sbatch, e.g. "--time=2-00:00:00 --exclusive"
# MASTER_PORT     a free port of the first machine (29500)
# PYTHON          another interpreter than .venv's
set -euo pipefail

if [[ $# -lt 3 ]]; then
    echo "usage: [BATCH=1] [GPUS=8] [GPUS_PER_NODE=8] [CPUS_PER_TASK=9] [SRUN_ARGS=...]" \
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

resources=(
    --partition="$partition"
    --job-name="$job_name"
    --gres="gpu:$gpus_per_node"
    --ntasks="$gpus"
    --ntasks-per-node="$gpus_per_node"
    --cpus-per-task="${CPUS_PER_TASK:-9}"
    ${srun_args[@]+"${srun_args[@]}"}
)
# Each line says which task printed it.
train=(--kill-on-bad-exit=1 --label "$python" -u "$tools/train.py" "$config" --launcher slurm "$@")
warning="USR1@${WARNING_TIME:-120}"

if [[ "${BATCH:-0}" != 1 ]]; then
    exec srun "${resources[@]}" --signal="$warning" "${train[@]}"
fi

if [[ -z "${SLURM_JOB_ID:-}" ]]; then
    command="$(printf "%q " bash "$tools/slurm_train.sh" "$partition" "$job_name" "$config" "$@")"
    exec sbatch "${resources[@]}" --signal="B:$warning" --requeue --open-mode=append \
        --wrap="$command"
fi

# Inside the job, where Slurm warns this script only.
is_time_up=
trap 'is_time_up=1; kill -USR1 "$step"' USR1
trap : TERM # the tasks have it, too, and this script must outlive them
[[ "${SLURM_RESTART_COUNT:-0}" == 0 ]] || train+=(--resume)
srun "${resources[@]}" "${train[@]}" &
step=$!
code=0
wait "$step" || code=$?
while kill -0 "$step" 2>/dev/null; do # a signal ended the wait, not the step
    code=0
    wait "$step" || code=$?
done
# 143: not finished, but saved. A preempted job returns to the queue without help.
if [[ -n "$is_time_up" && "$code" == 143 ]]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
