#!/usr/bin/env bash
# Succeeds if a model has a version that is AVAILABLE; for health checks inside of the containers,
# where only bash is certain. Until a version is loaded, the server answers nothing, or LOADING.
#   bash status.sh MODEL [PORT]      # MODEL may be NAME/versions/2 or NAME/labels/canary
set -euo pipefail
exec 3<>"/dev/tcp/127.0.0.1/${2:-8501}"
printf 'GET /v1/models/%s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$1" >&3
answer=$(timeout 5 cat <&3)
[[ $answer =~ ^HTTP/1\.[01]\ 200\  && $answer =~ \"state\":\ *\"AVAILABLE\" ]]
