"""The ASGI layers around BentoML's routes, in their order.

request --layers, from the first to the last--> BentoML's routes
<--layers, from the last to the first-- answer
"""

from collections.abc import Collection
from typing import Any

from ocr_runtime.serving import connections, job_addresses, metrics, negotiation, web_page
from ocr_runtime.serving.access import Keys
from ocr_runtime.serving.bodies import Bodies
from ocr_runtime.serving.compatible.contracts import Contracts
from ocr_runtime.serving.compatible.layer import Compatible
from ocr_runtime.serving.compatible.reader import Reader
from ocr_runtime.serving.endpoints import Endpoint
from ocr_runtime.serving.error_shape import ErrorShape
from ocr_runtime.serving.layers import (
    METRICS,
    PROBES,
    Access,
    Admission,
    CrossOrigin,
    HangUp,
    NoPickle,
    Outcomes,
    PutAsPost,
    RequestBody,
    RequestContext,
    RequestLog,
    TrailingSlash,
)
from ocr_runtime.settings import Settings

_DOCS = ("/", web_page.BELOW, "/docs", "/docs.json", "/schema.json", "/static_content/")


def install_middleware(
    service: Any,
    settings: Settings,
    endpoints: Collection[Endpoint],
    *,
    contracts: Contracts,
    reader: Reader,
) -> None:
    """Put the layers around a service, and /metrics beside its routes.

    Args:
        service: of BentoML.
        settings: as the operator set them.
        endpoints: whose requests are admitted to the pool and counted.
        contracts: of other services that are answered too.
        reader: reads documents for them.
    """
    connections.install(idle_seconds=settings.idle_seconds)
    by_route = {endpoint.route: endpoint for endpoint in endpoints}
    by_media_type = {
        media_type: each.route
        for each in endpoints
        if each.is_output
        for media_type in each.media_types
    }
    # before `app`, which reserves the room of all series
    metrics.announce((*by_route, *job_addresses.ROUTES, *contracts.paths))
    service.mount_asgi_app(metrics.app())
    service.mount_asgi_app(negotiation.app(by_media_type))
    bodies = Bodies(most_bytes=settings.max_body_mb << 20, most_seconds=settings.timeout_seconds)
    slashed = (*by_route, negotiation.ROUTE, job_addresses.POSTED, *contracts.fixed_paths)
    layers: list[tuple[Any, dict[str, Any]]] = [
        (TrailingSlash, {"routes": slashed}),
        (PutAsPost, {"routes": (*by_route, negotiation.ROUTE, job_addresses.POSTED)}),
        (negotiation.ReadAs, {"routes": by_media_type}),
        (CrossOrigin, {"origins": settings.cors_origins}),
        (metrics.Traffic, {"paths": (*by_route, *contracts.reading_paths)}),
        (RequestContext, {"endpoints": by_route, "contracts": contracts}),
        (RequestLog, {}),
        (Outcomes, {}),
        (RequestBody, {"bodies": bodies}),
        (HangUp, {}),
        (ErrorShape, {}),
        (Access, {"keys": _keys(settings, contracts)}),
        (NoPickle, {}),
        (Admission, {"pool": reader.pool}),
        (Compatible, {"contracts": contracts, "reader": reader}),
    ]
    for layer, options in layers:
        service.add_asgi_middleware(layer, **options)


def _keys(settings: Settings, contracts: Contracts) -> Keys:
    open_to_all = (
        *PROBES,
        *(_DOCS if settings.public_docs else ()),
        *(METRICS if settings.public_metrics else ()),
    )
    return Keys(settings.keys, open_to_all=open_to_all, schemes=contracts.key_schemes)
