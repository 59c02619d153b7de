#!/usr/bin/env bash
# A day in operations: two versions of a model, verified, measured, served, rolled out and rolled back.
#
#   bash serve_and_roll_out.sh [FOLDER]
#
# It needs `albert-tf` and its Python on the PATH, and TensorFlow Serving as `tensorflow_model_server`;
# without that, a stand-in of this repository's tests answers. Each step checks its result, so the
# script ends with a message if one is wrong. With Docker, export/serving/docker-compose.yaml starts
# the server with the same files, behind nginx.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
serving=$here/../export/serving
export TF_CPP_MIN_LOG_LEVEL=${TF_CPP_MIN_LOG_LEVEL:-3}  # Hide TensorFlow's start-up messages.

step() { printf '\n== %s\n' "$*"; }
check() {  # check DESCRIPTION COMMAND...
  if "${@:2}"; then echo "ok     $1"; else echo "WRONG  $1: ${*:2}" >&2; exit 1; fi
}
wait_for() {  # wait_for DESCRIPTION COMMAND...
  for _ in $(seq 240); do
    if "${@:2}" 2>/dev/null; then echo "ok     $1"; return; fi
    sleep 0.25
  done
  echo "WRONG  not within a minute: $1" >&2
  exit 1
}

step "Train two candidates"
folder=${1:-$(mktemp -d)}
python "$here/reviews.py" "$folder"
cd "$folder"
albert-tf train --gin_file finetune_table --mode train_and_eval --model_dir runs/reviews --seeds 1,2 \
  --gin.INIT_FROM=tiny --gin.TRAIN_DATA=reviews.csv --gin.EVAL_FRACTION=0.25 \
  --gin.TEXT=review --gin.LABEL=sentiment --gin.SKIP_BROKEN_ROWS=True \
  --gin.SEQ_LENGTH=48 --gin.EPOCHS=10 --gin.EVALUATIONS=1 --gin.LEARNING_RATE=1e-3

step "Export version 1; it appears only if a separate process gets the answers of \`predict\`"
albert-tf export task runs/reviews/seed_1 models/reviews | tee export.txt
check "version 1 was verified" grep -q '^verified in a separate process' export.txt
chmod -R a+rX models  # The containers run without privileges.

step "Measure it, to choose the server's batching"
albert-tf benchmark models/reviews --batch_sizes 1,8 --lengths 16,48 --threads 1,2 --output benchmark
check "the measurement is written" test -s benchmark/benchmark.json
batching=$serving/batching.config
if [ -e benchmark/batching.config ]; then batching=benchmark/batching.config; fi

step "Serve it"
sed "s|/models/reviews|$PWD/models/reviews|" "$serving/models.config" > models.config
read -r rest grpc < <(python -c '
import socket
sockets = [socket.create_server(("localhost", 0)) for _ in range(2)]
print(*(s.getsockname()[1] for s in sockets))')
if command -v tensorflow_model_server > /dev/null; then
  server=(tensorflow_model_server)
else
  server=(env "PYTHONPATH=$here/.." python -m tests.support.model_server)
fi
"${server[@]}" --rest_api_port="$rest" --port="$grpc" --model_config_file=models.config \
  --model_config_file_poll_wait_seconds=1 --allow_version_labels_for_unavailable_models \
  --enable_batching --batching_parameters_file="$batching" > server.txt 2>&1 &
server_id=$!
trap 'kill $server_id' EXIT
wait_for "the model is AVAILABLE" bash "$serving/status.sh" reviews "$rest"

step "Send requests"
texts=('My sister says "it works perfectly", and it looks great.'
  "The kettle stopped working, nobody answers; poor quality.")
ask() {  # ask reviews[/versions/N|/labels/L]: one line of JSON
  python "$serving/rest_client.py" "$1" "${texts[@]}" --server "localhost:$rest" | tr -d ' \n'
}
labels() { grep -o '"label":\[[^]]*\]'; }
one=$(ask reviews)
check "REST" test "$(labels <<< "$one")" = '"label":["positive","negative"]'
python "$serving/grpc_client.py" reviews "${texts[@]}" --server "localhost:$grpc" | tee grpc.txt
check "gRPC" grep -q "b'positive', b'negative'" grpc.txt
check "a wrong model is an error" grep -q "Servable not found\|Could not find" \
  <(ask sentiments 2>&1 || true)

step "A canary: pin the versions first, then export version 2"
config() {  # config LABELS...: writes models.config beside the old one, and renames it
  cat > models.config.new <<CONFIG
model_config_list {
  config {
    name: "reviews"
    base_path: "$PWD/models/reviews"
    model_platform: "tensorflow"
    model_version_policy { specific { versions: 1 versions: 2 } }
$(for label; do echo "    version_labels { key: \"${label%=*}\" value: ${label#*=} }"; done)
  }
}
CONFIG
  mv models.config.new models.config
}
config stable=1 canary=2
albert-tf export task runs/reviews/seed_2 models/reviews
answers_as() { test "$(ask "reviews/labels/$1")" = "$2"; }
can_ask() { ask "$1" > /dev/null; }
wait_for "the label canary answers" can_ask reviews/labels/canary
two=$(ask reviews/versions/2)
check "the versions differ" test "$one" != "$two"
check "stable is version 1" answers_as stable "$one"
check "canary is version 2" answers_as canary "$two"

step "Roll out, and roll back"
config stable=2
wait_for "stable is version 2" answers_as stable "$two"
config stable=1 canary=2
wait_for "stable is version 1 again" answers_as stable "$one"

printf '\nserve_and_roll_out.sh: everything is right. The files are in %s\n' "$folder"
