"""A path of this service -> its URL, with scheme and host as the caller has addressed us."""

from starlette.requests import Request


def own_address(request: Request, path: str) -> str:
    """Return the URL of a path.

    Behind a proxy the server has put what `X-Forwarded-Proto` says in place of its own scheme, if
    it trusts the proxy.

    Args:
        request: in whose answer the URL stands.
        path: with its parameters, if it has any.
    """
    host = request.headers.get("host") or ":".join(map(str, request.scope.get("server") or ()))
    return f"{request.scope['scheme']}://{host}{path}"
