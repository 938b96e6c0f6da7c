"""The picture of an explorer for paper: {source, state} as JSON on the standard input → SVG on the standard output.

Run by `Explorer.still` in a process of its own: V8 does not survive a fork, and its teardown can hang.
"""

import json
import os
import sys

from py_mini_racer import MiniRacer

request = json.load(sys.stdin.buffer)
v8 = MiniRacer()
v8.eval(request["source"] + "\n;0")
sys.stdout.buffer.write(v8.call("still", request["state"]).encode())
sys.stdout.buffer.flush()
os._exit(0)
