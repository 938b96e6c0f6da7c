"""The helper package of an interactive course on convolutional networks.

`import cnncourse` loads nothing heavy: import the part you need, e.g. `from cnncourse import scratch, figures`.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("cnncourse")
except PackageNotFoundError:  # a source folder on the path, not installed
    __version__ = "0+unknown"
