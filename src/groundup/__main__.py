"""`python -m groundup VERB`: the same as the command `groundup VERB`."""

import sys

from groundup.cli import main

if __name__ == "__main__":
    sys.exit(main())
