"""What the layers around BentoML's routes have in common."""

from starlette.types import ASGIApp, Receive, Scope, Send


class Layer:
    """An ASGI middleware that handles HTTP requests; everything else goes through."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self.handle(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)
