"""`web`: everything that people and scripts read, one ASGI app behind one catch-all route."""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import azure.functions as func

if TYPE_CHECKING:
    from fastapi import FastAPI


def blueprint(make_app: "Callable[[], FastAPI]") -> func.Blueprint:
    """The function; the ASGI app is made for the first request, so that a webhook need not wait for it."""
    web = func.Blueprint()
    middleware = cache(lambda: func.AsgiMiddleware(make_app()))

    @web.function_name("web")
    @web.route("{*path}", methods=["GET", "HEAD", "POST"], auth_level=func.AuthLevel.ANONYMOUS)
    async def web_function(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
        response: func.HttpResponse = await middleware().handle_async(req, context)
        return response

    return web
