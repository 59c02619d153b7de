#!/usr/bin/env bash
# Queries a running server over REST: its status, its signatures, and predictions in row and column
# format.
set -euo pipefail
model=${1:-reviews} server=${2:-localhost:8501}
url=http://$server/v1/models/$model
curl -sSf "$url"
curl -sSf "$url/metadata"
curl -sSf -d '{"instances": ["a fine film", "a waste of time"]}' "$url:predict"
curl -sSf -d '{"inputs": {"text": ["a fine film", "a waste of time"]}}' "$url:predict"
curl -sSf "$url:predict" -d '{
  "signature_name": "tokens",
  "instances": [{"input_ids": [2, 21, 123, 3], "input_mask": [1, 1, 1, 1], "segment_ids": [0, 0, 0, 0]}]
}'
