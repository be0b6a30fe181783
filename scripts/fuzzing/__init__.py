"""What `scripts/fuzz` does: files that were valid once, through the parsers, within limits.

originals.py  images, files of several pages, request bodies
pdfs.py       PDFs with each kind of thing that PDFium draws, uncompressed
mutations.py  one file -> a changed one
"""
