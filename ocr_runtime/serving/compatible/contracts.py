"""The contracts of other services that are switched on, and which of them a request is for.

OCR_COMPATIBLE --switched_on--> Contract ...
method and path --Contracts.match--> contract, address, and parameters of the path
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

from ocr_runtime.errors import MethodNotAllowed
from ocr_runtime.serving.compatible import open_webui
from ocr_runtime.serving.compatible.azure import addresses as azure
from ocr_runtime.serving.compatible.contract import Address, Contract
from ocr_runtime.serving.compatible.docling import addresses as docling
from ocr_runtime.serving.compatible.mistral import addresses as mistral
from ocr_runtime.serving.compatible.paddlex import addresses as paddlex
from ocr_runtime.serving.compatible.reader import Reader
from ocr_runtime.serving.compatible.umi_ocr import addresses as umi_ocr
from ocr_runtime.serving.state import RequestState
from ocr_runtime.settings import Settings

CONTRACTS = (
    azure.CONTRACT,
    docling.CONTRACT,
    mistral.CONTRACT,
    open_webui.CONTRACT,
    paddlex.CONTRACT,
    umi_ocr.CONTRACT,
)


def switched_on(settings: Settings) -> list[Contract]:
    """The contracts that the operator has named."""
    names = settings.compatible
    return [each for each in CONTRACTS if each.name in names or "all" in names]


@dataclass(frozen=True, kw_only=True)
class Matched:
    """The address of a contract that a request is for, and the parameters of its path."""

    contract: Contract
    address: Address
    path_params: dict[str, Any]

    def describe(self, state: RequestState) -> None:
        """Say in the state of the request how the layers have to handle it."""
        state.route = self.address.path
        state.endpoint = self.address.output
        state.refusal = self.contract.refuse
        state.key_headers = self.contract.key_headers


class Contracts:
    """The contracts that are answered.

    Args:
        contracts: those that are switched on.
    """

    def __init__(self, contracts: Iterable[Contract]) -> None:
        contracts = list(contracts)
        self.key_schemes = {scheme for contract in contracts for scheme in contract.key_schemes}
        self.outputs = [output for contract in contracts for output in contract.outputs]
        self._routes = [
            (contract, address, Route(address.path, address.handle, methods=[address.method]))
            for contract in contracts
            for address in contract.addresses
        ]

    @property
    def paths(self) -> list[str]:
        """Those of all addresses at which our own service does not answer."""
        return [address.path for _, address, _ in self._routes if address.claims is None]

    @property
    def fixed_paths(self) -> list[str]:
        """Those of `paths` that have no parameters."""
        return [path for path in self.paths if "{" not in path]

    @property
    def reading_paths(self) -> list[str]:
        """Those of `fixed_paths` at which documents are read while the caller waits."""
        reading = {address.path for _, address, _ in self._routes if address.output is not None}
        return [path for path in self.fixed_paths if path in reading]

    def match(self, scope: Scope, body: bytes | None = None) -> Matched | None:
        """Find the address of a contract that a request is for; None if it is our service's.

        A request with a method that the contract does not have there is for one that says so.

        Args:
            scope: of the request.
            body: of the request, if it is known. Only then an address at which our service answers
                too can be found; `may_claim` says for which requests it has to be known.
        """
        wrong_method = []
        for contract, address, route in self._routes:
            match, found = route.matches(scope)
            if match is Match.PARTIAL and address.claims is None:
                wrong_method.append((contract, address, route, found))
            if match is not Match.FULL:
                continue
            if address.claims is None or (body is not None and address.claims(body)):
                return Matched(contract=contract, address=address, path_params=found["path_params"])
        if not wrong_method:
            return None
        allowed = {method for _, _, route, _ in wrong_method for method in route.methods or ()}
        contract, address, _, found = wrong_method[0]
        address = replace(address, handle=_not_allowed(allowed), output=None)
        return Matched(contract=contract, address=address, path_params=found["path_params"])

    def may_claim(self, scope: Scope) -> bool:
        """Whether it takes the body of a request to tell which service it is meant for."""
        return any(
            address.claims is not None and route.matches(scope)[0] is Match.FULL
            for _, address, route in self._routes
        )


def _not_allowed(methods: Iterable[str]) -> Callable[[Request, Reader], Awaitable[Response]]:
    """Make what answers a request with another method than these."""
    headers = {"Allow": ", ".join(sorted(methods))}

    async def handle(_request: Request, _reader: Reader) -> Response:
        raise MethodNotAllowed(headers=headers)

    return handle
