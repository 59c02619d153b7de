"""Turn a model of one format into another, with its heads and its vocabulary.

    albert-tf convert albert_base/ --to hugging_face albert_base_hf/

SOURCE is a folder of any format, or a handle (hf://OWNER/NAME, kaggle://..., https://...):
  tf1            TF1 checkpoint as released: albert_config.json, model.ckpt-best.*, 30k-clean.model
  tf1_hub        TF1-Hub module
  hub            TF2 hub encoder SavedModel
  hugging_face   config.json, model.safetensors, spiece.model
  keras_hub      KerasHub preset
  model_garden   Model Garden checkpoint, with albert_config.json beside it
  checkpoint     training folder of albert_tf
FORMAT is one of them except tf1_hub and hub; `albert-tf export encoder` writes hub SavedModels.

The result is read again and compared with the source on a batch; DEST appears only if outputs
agree to 1e-5. DEST/conversion_report.json tells the differences and what was left behind.
"""

from __future__ import annotations

import argparse
import os
import sys


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument("source", metavar="SOURCE", help="folder, checkpoint prefix, or handle")
    parser.add_argument("dest", metavar="DEST", help="new folder")
    parser.add_argument("--to", metavar="FORMAT", required=True, help="format of DEST")
    parser.add_argument(
        "--allow_partial",
        action="store_true",
        help="leave behind weights that have no place in FORMAT or are unknown, and report them",
    )


def run(args: argparse.Namespace) -> None:
    """Runs the command."""
    # oneDNN's allocator never gives memory back, so that a model that is gone would still count.
    # Where TensorFlow runs already it is too late, and would only change the processes it starts.
    if "tensorflow" not in sys.modules:
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    from albert_tf.convert.conversion import REPORT, convert

    report = convert(args.source, args.to, args.dest, allow_partial=args.allow_partial)
    print(
        f"{report['source']['format']} -> {report['result']['format']}: {report['weights']} "
        f"weights, {report['parameters']:,} parameters"
    )
    for name, value in report["largest_output_difference"].items():
        print(f"  largest difference in {name}: {value:.1e}")
    for kind, count in report["skipped"].items():
        if count:
            print(f"  skipped {kind}: {count}")
    for name in report["left_behind"]:
        print(f"  left behind: {name}")
    for note in report["notes"]:
        print(f"  note: {note}")
    print(f"wrote {args.dest} ({REPORT} has the figures)")
