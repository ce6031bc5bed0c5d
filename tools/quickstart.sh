#!/usr/bin/env bash
# From a fresh machine to a trained and tested camera-space hand model: environment, synthetic
# data, both stages, tests, one table, pictures and a report. About ten minutes on two CPU cores
# after the installation. A second run reuses the environment and the data.
#
#   bash tools/quickstart.sh            train anew
#   bash tools/quickstart.sh --resume   continue trainings that were interrupted
set -euo pipefail

usage() {
    echo "usage: bash tools/quickstart.sh [--resume]" >&2
    exit 2
}
[[ $# -le 1 ]] || usage
[[ $# -eq 0 || "$1" == --resume ]] || usage

cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash tools/setup_env.sh

python=.venv/bin/python
data=data/quickstart
work=work_dirs/quickstart
stage1=configs/demo/stage1_tiny.py
stage2=configs/demo/stage2_tiny_t7.py
workers="$("$python" -c 'import os; print(min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()))')"
started=$SECONDS

# Bfloat16 where it is fast: on GPUs and on CPUs with matrix units; elsewhere it would be emulated.
amp=()
if grep -qs amx_bf16 /proc/cpuinfo || "$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
    amp=(--amp)
fi

step() { printf '\n[quickstart %d:%02d] %s\n' $(((SECONDS - started) / 60)) $(((SECONDS - started) % 60)) "$1"; }
# The newest checkpoint and log of a finished training.
checkpoint_of() { ls "$1"/iter_*.pth | sort -V | tail -n 1; }
log_of() { ls "$1"/*/vis_data/scalars.json | sort | tail -n 1; }
make_data() { "$python" tools/misc/make_synthetic.py "$data/$1" --split "$1" --num-workers "$workers" "${@:2}"; }

step "1/6 making synthetic hands in $data"
make_data train_singles --seed 1 --num-singles 9000
make_data train_sequences --seed 2 --num-sequences 600 --sequence-length 9
make_data val --seed 3 --num-sequences 60 --sequence-length 8
make_data test --seed 4 --num-sequences 60 --sequence-length 12

# Checkpoints of an earlier training would be taken for newer ones.
[[ "${1:-}" == --resume ]] || rm -f "$work"/stage[12]/*.pth

step "2/6 training stage 1: single frames"
"$python" tools/train.py "$stage1" --work-dir "$work/stage1" ${amp[@]+"${amp[@]}"} "$@"
checkpoint1="$(checkpoint_of "$work/stage1")"

step "3/6 training stage 2: clips of 7 frames"
"$python" tools/train.py "$stage2" --work-dir "$work/stage2" ${amp[@]+"${amp[@]}"} "$@" --cfg-options "load_from=$checkpoint1"
checkpoint2="$(checkpoint_of "$work/stage2")"

step "4/6 testing stage 1, on the validation data too: the One-Euro filter is tuned there"
"$python" tools/test.py "$stage1" "$checkpoint1" --work-dir "$work/stage1/val" \
    --dump "$work/stage1/val.npz" --cfg-options "test_dataloader.dataset.data_root=$data/val"
"$python" tools/test.py "$stage1" "$checkpoint1" --work-dir "$work/stage1/test" \
    --dump "$work/stage1/test.npz"

step "5/6 testing stage 2"
"$python" tools/test.py "$stage2" "$checkpoint2" --work-dir "$work/stage2/test" \
    --dump "$work/stage2/test.npz"

step "6/6 comparing with the baselines"
"$python" tools/analysis_tools/compare.py --data "$data/test" \
    --train-data "$data/train_singles" "$data/train_sequences" \
    --stage1 "$work/stage1/test.npz" --stage2 "$work/stage2/test.npz" \
    --tune "$work/stage1/val.npz" --tune-data "$data/val" \
    --train-log "stage1=$(log_of "$work/stage1")" "stage2=$(log_of "$work/stage2")" \
    --out "$work"

step "done: open $work/report.html"
