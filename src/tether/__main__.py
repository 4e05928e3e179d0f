"""`python -m tether` is the command `tether`; nothing else lives here."""

import sys

from tether.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
