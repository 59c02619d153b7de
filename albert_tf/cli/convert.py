"""Convert a model to another format, with its heads and its vocabulary.

    albert-tf convert albert_base_v2 --to hugging_face albert_base_hf

SOURCE is the name of a released model, a handle (hf://OWNER/NAME, kaggle://..., https://...), or a
folder in one of these formats, which is detected automatically:
  tf1            TF1 checkpoint as released: albert_config.json, model.ckpt-best.*, 30k-clean.model
  tf1_hub        TF1-Hub module
  hub            TF2 hub encoder SavedModel
  hugging_face   config.json, model.safetensors, spiece.model
  keras_hub      KerasHub preset
  model_garden   Model Garden checkpoint, with albert_config.json next to it
  checkpoint     training folder of albert_tf
FORMAT is one of them except tf1_hub and hub; `albert-tf export encoder` writes hub SavedModels.

The converted model is loaded again and compared with the source on a batch. DEST is created only if
all outputs agree to 1e-5. DEST/conversion_report.json lists the largest differences and all weights
that were not converted.
"""

from __future__ import annotations

import argparse
import os
import sys


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument(
        "source", metavar="SOURCE", help="name, folder, checkpoint or handle of a model"
    )
    parser.add_argument("dest", metavar="DEST", help="folder to create; it must be new or empty")
    parser.add_argument("--to", metavar="FORMAT", required=True, help="format of DEST")
    parser.add_argument(
        "--allow_partial",
        action="store_true",
        help="convert even if some weights are unknown or not supported by FORMAT; these are "
        "dropped and reported (default: an error)",
    )


def run(args: argparse.Namespace) -> None:
    """Runs the command."""
    # oneDNN's allocator never returns memory, so both models would stay in memory at once. Once
    # TensorFlow is imported, the variable would only affect child processes.
    if "tensorflow" not in sys.modules:
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    from albert_tf.convert.conversion import REPORT, convert
    from albert_tf.formats.load import load

    source = load(args.source)
    print(f"source: {source}")
    report = convert(source, args.to, args.dest, allow_partial=args.allow_partial)
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
        print(f"  not converted: {name}")
    for note in report["notes"]:
        print(f"  note: {note}")
    print(f"wrote {args.dest} (see {REPORT} for details)")
