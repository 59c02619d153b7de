"""Queries a TensorFlow Serving server over REST, using only the standard library.

python rest_client.py reviews "a fine film" "a waste of time"
"""

import argparse
import json
import urllib.error
import urllib.request


def predict(server: str, model: str, inputs: dict, signature: str = "serving_default") -> dict:
    """Returns the outputs by name.

    Args:
      server: the host and port of the REST API.
      model: the name of the model, or "NAME/versions/2", or "NAME/labels/stable".
      inputs: a list for each input, by name; all lists must have the same length.
      signature: the name of the signature.

    Raises:
      RuntimeError: the server rejected the request. The message is the server's.
    """
    body = json.dumps({"signature_name": signature, "inputs": inputs}).encode()
    request = urllib.request.Request(f"http://{server}/v1/models/{model}:predict", body)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            outputs = json.load(response)["outputs"]
    except urllib.error.HTTPError as error:
        raise RuntimeError(error.read().decode()) from error
    # The server omits the name of a single output.
    return outputs if isinstance(outputs, dict) else {"output": outputs}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("text", nargs="+")
    parser.add_argument("--server", default="localhost:8501")
    args = parser.parse_args()
    print(json.dumps(predict(args.server, args.model, {"text": args.text}), indent=2))
