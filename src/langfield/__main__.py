"""`python -m langfield` is the command `langfield`."""

import sys

from langfield.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
