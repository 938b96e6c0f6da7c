"""The command line in processes of its own that start quickly: forked from one that has imported everything."""

import multiprocessing
import os
import re
import sys
from pathlib import Path

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["cnncourse.cli"])


def start(words, folder, environment=None, file_limit=None):
    """`cnncourse WORDS…` in a new process: a `multiprocessing.Process` whose output goes to folder/out and folder/err.

    file_limit  no file may grow beyond so many bytes: what a full disk does, without filling one
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    process = CONTEXT.Process(
        target=_command, args=(list(map(str, words)), str(folder), environment or {}, file_limit)
    )
    process.start()
    return process


def run(words, folder, environment=None, file_limit=None):
    """(exit code, what it printed, what it said on stderr) of `cnncourse WORDS…`."""
    process = start(words, folder, environment, file_limit)
    process.join(120)
    return process.exitcode, *printed(folder)


def printed(folder):
    return spoken((Path(folder) / "out").read_text()), (Path(folder) / "err").read_text()


def spoken(output):
    """The output without what gloo prints by itself in some versions of torch, two processes into one another."""
    own = re.sub(r"\[Gloo\][^\n\[]*", "", output)
    return "".join(line for line in own.splitlines(keepends=True) if line.strip())


def _command(words, folder, environment, file_limit):
    for descriptor, name in ((1, "out"), (2, "err")):
        opened = os.open(os.path.join(folder, name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(opened, descriptor)
    os.environ.update(environment)
    if file_limit:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))
    import torch

    torch.set_num_threads(1)
    sys.argv = ["cnncourse", *words]
    from cnncourse import cli

    cli.main()
