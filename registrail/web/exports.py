"""Lists as files: `/api/export/{events|pushes|timeline}.{csv|ndjson|parquet}`."""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import fastapi
from fastapi.responses import StreamingResponse
from fastapi.routing import APIRoute

from registrail.export import COLUMNS, MEDIA_TYPES, Format, Kind, Row, begun, file_name, pages, write
from registrail.moments import moment
from registrail.ports import Clock

List = Callable[..., Awaitable[Mapping[str, Any]]]
"""The endpoint of a list: takes its parameters by name, gives `items` and `next`."""

PAGE: Final = 1000
_PAGING: Final = frozenset({"limit", "cursor", "at"})
_RANGE: Final = ("since", "until")


def router(lists: Iterable[fastapi.APIRouter], clock: Clock) -> fastapi.APIRouter:
    """An export for each kind that one of these routers lists at `/api/KIND`, with the same filters."""
    exports = fastapi.APIRouter(prefix="/api/export")
    found = {route.path: route.endpoint for one in lists for route in one.routes if isinstance(route, APIRoute)}
    for kind in COLUMNS:
        if f"/api/{kind}" in found:
            exports.get(f"/{kind}.{{form}}", response_class=StreamingResponse, summary=f"Export {kind} as a file")(
                _export(kind, found[f"/api/{kind}"], clock)
            )
    return exports


def _export(kind: Kind, listed: List, clock: Clock) -> Callable[..., Awaitable[StreamingResponse]]:
    """The endpoint that goes through all pages of a list; FastAPI reads its parameters off its signature."""

    async def export(form: Format, request: fastapi.Request, **wanted: Any) -> StreamingResponse:  # noqa: ANN401
        now = clock()
        ends = {name: moment(name, request.query_params.get(name), now) for name in _RANGE}
        # An age is one age for all pages.
        fixed = wanted | {name: end.isoformat() for name, end in ends.items() if end and name in wanted}

        async def read(cursor: str | None) -> tuple[Sequence[Row], str | None]:
            page = await listed(**fixed, limit=PAGE, cursor=cursor)
            return page["items"], page["next"]

        batches = await begun(pages(read))
        name = file_name(
            kind,
            form,
            registry=request.query_params.get("registry"),
            since=ends["since"],
            until=ends["until"] or now,
        )
        return StreamingResponse(
            write(form, COLUMNS[kind], batches),
            media_type=MEDIA_TYPES[form],
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    own = list(inspect.signature(export).parameters.values())[:2]
    of_list = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in inspect.signature(listed).parameters.items()
        if name not in _PAGING
    ]
    export.__signature__ = inspect.Signature([*own, *of_list])  # type: ignore[attr-defined]  # FastAPI reads it
    export.__name__ = f"export_{kind}"
    export.__doc__ = f"All {kind} that the filters admit, newest first: see `docs/export.md` for the columns."
    return export
