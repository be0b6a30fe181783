"""`python -m ocr_runtime` is the command `rapidocr-bento`."""

import sys

from ocr_runtime.client.main import main

if __name__ == "__main__":
    sys.exit(main())
