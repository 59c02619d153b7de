"""A program that stands in for tensorflow_model_server where that is not installed.

    python -m tests.support.model_server --rest_api_port 8501 --port 8500 \\
        --model_config_file models.config --model_config_file_poll_wait_seconds 1

It takes the flags of the server that have a meaning here, and ignores others. Versions and labels
are those of models.config, which it reads again; see fake_server.py for the requests.
"""

import argparse
import time
from pathlib import Path

import tensorflow as tf
import tensorflow_text  # noqa: F401 (the models use its ops)
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from tests.support import fake_server


def served(config_file, loaded):
    """Returns the models that models.config asks for, by the names of fake_server.py.

    Args:
      config_file: the path of models.config.
      loaded: models by the path of their version; new ones are added.
    """
    text = Path(config_file).read_text()
    config = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    models = {}
    for model in config.model_config_list.config:
        base, policy = Path(model.base_path), model.model_version_policy
        versions = sorted(int(path.name) for path in base.glob("[0-9]*") if path.name.isdigit())
        if policy.WhichOneof("policy_choice") == "specific":
            versions = [version for version in versions if version in policy.specific.versions]
        elif policy.WhichOneof("policy_choice") != "all":
            versions = versions[-(policy.latest.num_versions or 1) :]
        for version in versions:
            path = base / str(version)
            if path not in loaded:
                loaded[path] = tf.saved_model.load(str(path))
            models[model.name] = models[f"{model.name}/versions/{version}"] = loaded[path]
        for label, version in model.version_labels.items():
            if version in versions:
                models[f"{model.name}/labels/{label}"] = loaded[base / str(version)]
    return models


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("rest_api_port", "port", "model_config_file_poll_wait_seconds"):
        parser.add_argument(f"--{name}", type=int, default=0)
    parser.add_argument("--model_config_file", required=True)
    args, _ = parser.parse_known_args()
    loaded = {}
    models = served(args.model_config_file, loaded)
    with fake_server.serving(models, args.rest_api_port, args.port):
        while True:
            time.sleep(args.model_config_file_poll_wait_seconds or 1000)
            new = served(args.model_config_file, loaded)
            models.update(new)
            for name in set(models) - set(new):
                del models[name]


if __name__ == "__main__":
    main()
