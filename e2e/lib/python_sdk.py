"""Calls the published Python SDK: a line of JSON in, `{"method", "given"}`, and one out for what came of it."""

import base64
import json
import sys

import pusher

client = pusher.Pusher(**json.loads(sys.argv[1]))


def readable(value):
    """Bytes, which the SDK returns for shared secrets, as text."""
    return value.decode() if isinstance(value, bytes) else base64.b64encode(value).decode()


for line in sys.stdin:
    asked = json.loads(line)
    try:
        answer = {"result": getattr(client, asked["method"])(*asked["given"])}
    except Exception as error:  # Whatever the SDK raises is what the test asks about.
        answer = {"raised": type(error).__name__, "text": str(error)}
    print(json.dumps(answer, default=readable), flush=True)
