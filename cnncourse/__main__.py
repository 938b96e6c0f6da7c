"""`python -m cnncourse …` is the command `cnncourse …`; torchrun needs the first form."""

from .cli import main

main()
