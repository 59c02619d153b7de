#!/usr/bin/env bash
# A day in the shell: from a table of reviews to a table of answers, and the model in other formats.
#
#   bash train_and_predict.sh [FOLDER]
#
# It needs `albert-tf` and its Python on the PATH. Each step checks its result, so the script ends with
# a message if one is wrong. With a released model, write INIT_FROM=albert_base_v2 in place of tiny, and
# leave out LEARNING_RATE.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export TF_CPP_MIN_LOG_LEVEL=${TF_CPP_MIN_LOG_LEVEL:-3}  # Hide TensorFlow's start-up messages.

step() { printf '\n== %s\n' "$*"; }
check() {  # check DESCRIPTION COMMAND...
  if "${@:2}"; then echo "ok     $1"; else echo "WRONG  $1: ${*:2}" >&2; exit 1; fi
}

step "Check the installation, and make the data and a tiny model"
albert-tf doctor
folder=${1:-$(mktemp -d)}
python "$here/reviews.py" "$folder"
cd "$folder"
head -5 reviews.csv

step "Look at the model, and at how its vocabulary cuts a text"
albert-tf inspect tiny | tail -6
echo 'My sister says "it works perfectly", and it looks great.' | albert-tf tokenize --vocab tiny

step "A vocabulary of the own text, as pretraining from scratch needs it"
python -c 'import csv; [print(" ".join(row["review"].split())) for row in csv.DictReader(open("reviews.csv"))]' > reviews.txt
albert-tf vocab --input reviews.txt --output own --vocab_size 120
check "the vocabulary has 120 pieces" test "$(wc -l < own.vocab)" -eq 120

step "What can be set, and what a run would do"
settings=(--gin_file finetune_table --mode train_and_eval
  --gin.INIT_FROM=tiny --gin.TRAIN_DATA=reviews.csv --gin.EVAL_FRACTION=0.25
  --gin.TEXT=review --gin.LABEL=sentiment --gin.SKIP_BROKEN_ROWS=True
  --gin.SEQ_LENGTH=48 --gin.EPOCHS=10 --gin.EVALUATIONS=2 --gin.LEARNING_RATE=1e-3
  --gin.CHECKPOINT_INTERVAL=10 --gin.STEPS_PER_LOOP=10)
albert-tf train "${settings[@]}" --macros | grep -E 'EPOCHS|EVAL_FRACTION|SKIP_BROKEN_ROWS'
albert-tf train "${settings[@]}" --model_dir runs/none --dry_run
check "a dry run writes nothing" test ! -e runs/none

step "Compare learning rates"
albert-tf train "${settings[@]}" --model_dir runs/rates --gin.EPOCHS=5 \
  --sweep LEARNING_RATE=1e-5,1e-3

step "Train, be stopped as by Slurm or Kubernetes, and resume with the same command"
albert-tf train "${settings[@]}" --model_dir runs/reviews &
until [ -e runs/reviews/ckpt-10.index ]; do sleep 0.1; done
kill -TERM $!
status=0 && wait $! || status=$?
check "the stopped run has saved a checkpoint and ends with status 143" test "$status" -eq 143
albert-tf train "${settings[@]}" --model_dir runs/reviews | tee resumed.txt
check "the second run resumes" grep -q '^resuming from' resumed.txt
check "the accuracy is well above that of the larger class" python - <<'PYTHON'
import json, sys

best = json.load(open("runs/reviews/metrics.json"))["best"]
print(f"accuracy {best['accuracy']:.2f}, larger class {best['majority_accuracy']:.2f}")
sys.exit(best["accuracy"] < best["majority_accuracy"] + 0.3)
PYTHON

step "Answer new reviews in a table"
albert-tf predict --model runs/reviews --input new.csv --output answers.csv --keep_columns id,title
cat answers.csv
check "the answers are right" test "$(cut -d, -f1,3 answers.csv | tail -n +2 | xargs)" = \
  "n1,positive n2,negative n3,positive n4,negative"

step "The same model for Hugging Face, and for TensorFlow Serving"
albert-tf convert runs/reviews --to hugging_face hugging_face
check "Hugging Face's files are there" test -s hugging_face/model.safetensors
albert-tf export task runs/reviews models/reviews
check "the export has a model card" test -s models/reviews/1/README.md

echo
echo "train_and_predict.sh: everything is right. The files are in $folder"
