"""`python -m polypaca.cli`, as jobs and tests call it."""

from polypaca.cli import main

main()
