"""The rooms behind the door of `service.py`.

    request --forms--> fields --schema--> options + image bytes
            --decoding--> page --engine--> lines --schema--> answer

    settings   every knob, its unit and bounds; read once from the environment
    errors     what can be wrong with a request, each with its status and code
    schema     what a caller sends and receives; coordinates and units are fixed here
    forms      a request's body -> its raw fields, in three content types
    decoding   bytes or base64 -> an upright BGR page; trusts nothing
    graphs     a model's graph -> the same with less work; knows ONNX's files
    sessions   model file -> ONNX Runtime session; the only room that knows ONNX Runtime
    engine     page + options -> lines; the only room that knows RapidOCR
    pool       who may compute now, who waits, who is turned away
    logs       one line a request, for people or for machines
    metrics    what an operator watches: outcomes, seconds of each stage, who waits
    access     who may ask for work: API keys
    bodies     a request's body while it arrives: counted, clocked, never left unread
    connections  what a connection may do outside of its requests
    http       what stands around the door: request id, log line, error bodies, hang-ups
    docs       the OpenAPI document and the page that shows it

Doors open downwards only; `tests/test_layering.py` holds which room may import which.
"""

__version__ = "0.1.0"
