"""run.py ADAPTER BOOTSTRAP BROKERS FEATURE TOPIC: exit 0 and what was done, or 1 and what failed."""

import importlib
import importlib.metadata
import os
import sys
import traceback

import features


def main():
    adapter, bootstrap, brokers, feature, topic = sys.argv[1:]
    module = importlib.import_module(adapter)
    if feature == "version":
        return importlib.metadata.version(module.VERSION_OF)
    client = module.Client(bootstrap, int(brokers))
    return getattr(features, feature)(client, topic)


try:
    print(main(), flush=True)
    code = 0
except features.NotOffered:
    code = 3
except Exception as error:
    traceback.print_exc()
    lines = str(error).strip().splitlines() or [""]
    print(f"{type(error).__name__}: {lines[0]}", file=sys.stderr, flush=True)
    code = 1
# clients' threads do not hold up the end
os._exit(code)
