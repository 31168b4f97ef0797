"""`python -m polypaca` is the command `polypaca`."""

from polypaca.cli import main

main()
