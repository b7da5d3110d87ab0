"""What users must not write: each marked line is an error to the type checkers; nothing here runs.

A mark that silences nothing is an error itself, so each says that its line is still refused.
"""

from collections.abc import AsyncIterator

from bascule import web

NUMBER = web.AppKey("NUMBER", int)
USER = web.RequestKey("USER", str)
CACHED = web.ResponseKey("CACHED", bool)


async def hello(request: web.Request) -> web.Response:
    return web.Response(text="hello")


def plain(request: web.Request) -> web.Response:
    return web.Response()


async def without_request() -> web.Response:
    return web.Response()


async def text(request: web.Request) -> str:
    return "text"


async def forgetful(request: web.Request) -> None: ...


async def of_a_number(number: int) -> web.Response:
    return web.Response(text=str(number))


@web.middleware
async def around(request: web.Request, handler: web.Handler) -> web.StreamResponse:
    return await handler(request)


@web.middleware
async def misnamed(request: web.Request, following: web.Handler) -> web.StreamResponse:
    return await following(request)


@web.middleware
async def around_a_number(number: int, handler: web.Handler) -> web.StreamResponse:
    return web.Response(text=str(number))


async def connect(app: web.Application) -> None: ...


def connect_plainly(app: web.Application) -> None: ...


async def on_prepare(request: web.Request, response: web.StreamResponse) -> None: ...


async def context(app: web.Application) -> AsyncIterator[None]:
    yield


async def context_of_a_number(number: int) -> AsyncIterator[None]:
    yield


class NoView:
    """A class that is no view."""

    async def get(self) -> web.Response:
        return web.Response()


def take_text(value: str) -> None: ...


def keep(app: web.Application) -> None:
    app[NUMBER] = "one"  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]
    take_text(app[NUMBER])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    app.get(NUMBER).bit_length()  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess]
    take_text(app.get(NUMBER, "none"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    app[USER].lower()  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue, reportUnknownMemberType]
    take_text(app[1])  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue, reportUnknownArgumentType]
    del app[1]  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def use_request(request: web.Request) -> web.Response:
    request[USER] = 1  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]
    request[USER].bit_length()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    take_text(request[NUMBER])  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue, reportUnknownArgumentType]
    request.config_dict[NUMBER] = 1  # type: ignore[index]  # pyright: ignore[reportIndexIssue]
    take_text(request.config_dict[NUMBER])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    take_text(request.config_dict.get(NUMBER))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    request.method = "GET"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    request.match_info["name"].bit_length()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    await request.match_info.route.handler()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    request.app = web.Application()  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    request.app.add_get("/", hello)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    request.content_length.bit_length()  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess]
    take_text(request.charset)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    take_text(request.match_info.route.resource.canonical)  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess]
    take_text(request.text())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    return await request.text()  # type: ignore[return-value]  # pyright: ignore[reportReturnType]


async def use_response(request: web.Request) -> None:
    response = web.Response(200)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    web.Response(text=b"text")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    web.json_response({}, status="201")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    response[CACHED] = 1  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]
    response.status = 201  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    response.set_cookie("name", 1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    response.headers["X-Field"] = 1  # type: ignore[assignment]  # pyright: ignore[reportArgumentType]
    await response.write("text")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await response.prepare()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def register(app: web.Application) -> None:
    app.router.add_get("/", plain)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    app.router.add_get("/", without_request)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    app.router.add_get("/", text)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    app.router.add_get("/", forgetful)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    app.router.add_get("/", hello, "name")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    app.router.add_view("/", hello)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    app.router.add_view("/", NoView)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    app.router["name"] = app.router.add_resource("/")  # type: ignore[index]  # pyright: ignore[reportIndexIssue]
    app.add_routes(web.get("/", hello))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    app.add_routes([("GET", "/", hello)])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    app.add_routes([web.get("/", plain)])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    app.add_routes([web.view("/", NoView)])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    app.add_subapp("/", app.router)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


routes = web.RouteTableDef()
routes.get("/")(plain)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
routes.view("/")(NoView)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
routes.static("/", 2)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@routes.get("/")  # type: ignore[type-var]  # pyright: ignore[reportArgumentType, reportUntypedFunctionDecorator]
async def answer(request: web.Request) -> int:
    return 1


def compose(app: web.Application) -> None:
    web.Application([around])  # type: ignore[arg-type, call-arg]  # pyright: ignore[reportCallIssue]
    web.Application(middlewares=around)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    web.Application(middlewares=[hello])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    web.Application(middlewares=[connect])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    web.Application(middlewares=[misnamed])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    web.Application(middlewares=[around_a_number])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    app.middlewares.append(hello)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    web.normalize_path_middleware(redirect_class=web.HTTPOk)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    app.on_startup.append(connect_plainly)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    app.on_startup.append(on_prepare)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    app.on_cleanup.append(context)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    app.on_response_prepare.append(connect)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    app.cleanup_ctx.append(connect)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    app.cleanup_ctx.append(context(app))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    app.on_startup = app.on_shutdown  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def refuse() -> list[web.HTTPException]:
    return [
        web.HTTPFound(),  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
        web.HTTPNotFound("text"),  # type: ignore[arg-type, call-arg]  # pyright: ignore[reportCallIssue]
        web.HTTPMethodNotAllowed("GET"),  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
        web.HTTPRequestEntityTooLarge(),  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
        web.HTTPBadRequest(text=b"text"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        web.HTTPBadRequest(status=400),  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
        web.Response(),  # type: ignore[list-item]  # pyright: ignore[reportReturnType]
    ]


def redirect() -> None:
    raise web.HTTPFound  # type: ignore[call-arg]  # pyright: ignore[reportGeneralTypeIssues]


def run(app: web.Application) -> None:
    web.run_app()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    web.run_app(app, "localhost")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    web.run_app(app, host=8080)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    web.run_app(app, port="8080")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    web.run_app(app, access_log="log")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    web.TCPSite(app)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    web.BaseSite(web.AppRunner(app))  # type: ignore[abstract]  # pyright: ignore[reportAbstractUsage]
    web.View()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    web.AbstractResource()  # type: ignore[abstract]  # pyright: ignore[reportAbstractUsage]


async def answer_not_found(request: web.Request, exc: Exception) -> web.Response:
    return web.Response(status=404)


def answer_plainly(request: web.Request, exc: Exception) -> web.Response:
    return web.Response(status=404)


async def of_two_numbers(one: int, two: int) -> web.Response:
    return web.Response(text=str(one + two))


def answer_exceptions(app: web.Application) -> None:
    app.exception_handlers["404"] = answer_not_found  # type: ignore[index]  # pyright: ignore[reportArgumentType]
    app.exception_handlers[404] = hello  # type: ignore[assignment]  # pyright: ignore[reportArgumentType]
    app.exception_handlers[404] = answer_plainly  # type: ignore[assignment]  # pyright: ignore[reportArgumentType]
    app.router.add_resource("/", middlewares=[hello])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]


def take_other_arguments(app: web.Application) -> None:
    app.router.add_get("/", of_a_number)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
    app.add_routes([web.get("/", of_a_number)])  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
    app.cleanup_ctx.append(context_of_a_number)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    app.exception_handlers[404] = of_two_numbers  # type: ignore[assignment]  # pyright: ignore[reportArgumentType]


def pass_though_they_should_not() -> None:
    """The decorators of a table keep the type of what they decorate, and so take any callable."""
    routes.get("/")(of_a_number)
