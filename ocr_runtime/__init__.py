"""OCR over HTTP: what stands behind `service.py`.

    bytes --documents--> page images --reading--> Page --outputs--> text, JSON --serving--> HTTP

    settings    every setting, its unit and bounds; read once from the environment
    errors      what a caller can get wrong: status, code, sentence
    documents/  bytes -> page images
    reading/    page image -> Page, the model of what was read
    outputs/    Page -> what a caller gets, one module for each format
    serving/    HTTP around it

Imports point one way: settings, errors <- documents <- reading <- outputs <- serving <- service.py.
`tests/test_layering.py` checks it, and docs/architecture.md follows a request through the modules.
"""

__version__ = "0.2.0"
