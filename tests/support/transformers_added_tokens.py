"""Prints the ids that transformers gives to texts: [[folder, texts], ...] in a JSON file."""

import json
import sys
from pathlib import Path

from transformers import AutoTokenizer

for folder, texts in json.loads(Path(sys.argv[1]).read_text()):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    print(json.dumps([tokenizer(t, add_special_tokens=False)["input_ids"] for t in texts]))
