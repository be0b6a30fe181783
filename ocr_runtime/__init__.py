"""OCR over HTTP and on the command line: what stands behind `service.py` and `rapidocr-bento`.

    bytes --documents--> page images --reading--> Page --outputs--> text, JSON --serving--> HTTP

    settings    every setting, its unit and bounds; read once from the environment
    errors      what a caller can get wrong: status, code, sentence
    documents/  bytes -> page images
    reading/    page image -> Page, the model of what was read
    outputs/    Page -> what a caller gets, one module for each format
    serving/    HTTP around it
    client/     the command line: serves, or reads files here or with a service

Imports point one way: settings, errors <- documents <- reading <- outputs <- serving <- service.py,
client. The client knows of serving what can be asked for, and nothing of HTTP.
`tests/test_layering.py` checks it, and docs/architecture.md follows a request through the modules.
"""

__version__ = "0.2.0"
