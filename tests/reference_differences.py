"""How the surface of bascule differs from that of aiohttp on purpose, and why.

Each table gives under a reason the lines that `test_reference` prints for it. A difference that is
not here fails, and so does a line that no longer describes one.
"""

__all__ = ["AWAITED", "DESIGN"]

Table = dict[str, tuple[str, ...]]

# What stays so.
DESIGN: Table = {
    "An application is an ASGI application, and an asynchronous context manager of its life.": (
        "Application.__aenter__: extra",
        "Application.__aexit__: extra",
        "Application.__call__: method -> coroutine",
        "Application.__call__(scope, receive, send): extra",
    ),
    "Answers to exceptions can be registered with an application.": (
        "Application.exception_handlers: extra",
    ),
    "Limits, time-outs and middlewares can be given to single resources and routes.": (
        "AbstractResource.middlewares: extra",
        "AbstractRoute.client_max_size: extra",
        "AbstractRoute.middlewares: extra",
        "AbstractRoute.timeout: extra",
        "Resource.add_route(client_max_size, timeout, middlewares): extra",
        "UrlDispatcher.add_resource(middlewares): extra",
        "UrlDispatcher.add_route(options): extra",
    ),
    "Static files have index pages, fallbacks, fields of their own and several ranges.": (
        "FileResponse.__init__(max_ranges): extra",
        "StaticResource.__init__(index, fallback, headers, max_age, max_ranges): extra",
        "UrlDispatcher.add_static(index, fallback, headers, max_age, max_ranges, middlewares): "
        "extra",
    ),
    "ASGI applications are mounted, and served with a root path and their lifespan.": (
        "Application.mount: extra",
        "Request.scope: extra",
    ),
    "A Unix socket gets its permissions where it is bound.": ("UnixSite.__init__(mode): extra",),
    "`run_app` serves ASGI applications too, and Unix sockets with permissions.": (
        "run_app(root_path, lifespan, path_mode): extra",
    ),
    "A handler or a middleware may set the limit of one request.": (
        "BaseRequest.client_max_size: property -> settable property",
    ),
    "The limit of bodies may hold for streams and multipart too.": (
        "Application.__init__(limit_streams, max_inflation): extra",
        "BaseRequest.limit_streams: extra",
        "StreamReader.limit_to: extra",
        "StreamReader.position: extra",
    ),
    "What a compressed body may become is bounded for streams too.": (
        "BaseRequest.max_inflation: extra",
    ),
    "A handler can wait until its client has left.": ("BaseRequest.wait_for_disconnection: extra",),
    "Early hints can be sent, and trailers.": (
        "BaseRequest.send_early_hints: extra",
        "StreamResponse.trailers: extra",
    ),
    "Answers can be compressed by br and zstd.": (
        "ContentCoding.br: extra",
        "ContentCoding.zstd: extra",
    ),
    "The router finds resources by an index, which asks them for its key.": (
        "AbstractResource.index_key: extra",
        "DynamicResource.regexes: extra",
        "DynamicResource.segments: extra",
        "Resource.match: extra",
    ),
    "A request is made of an exchange, whichever server it came by; only servers make it.": (
        "BaseRequest.__init__(message, payload, protocol, payload_writer, loop, state, scheme, "
        "host, remote): missing",
        "BaseRequest.__init__(task): positional or keyword -> keyword-only",
        "BaseRequest.__init__(task): default none -> None",
        "BaseRequest.__init__: other order of parameters",
        "BaseRequest.__init__(exchange): extra",
        "BaseRequest.from_message: extra",
    ),
    "A response finds out once for its class whether that changes how answers are sent.": (
        "Response.__init_subclass__: extra",
    ),
    "None, which is no value of these, says that they stay as they are.": (
        "BaseRequest.clone(method): default sentinel -> None",
        "BaseRequest.clone(rel_url): default sentinel -> None",
        "BaseRequest.clone(headers): default sentinel -> None",
        "BaseRequest.clone(scheme): default sentinel -> None",
        "BaseRequest.clone(host): default sentinel -> None",
        "BaseRequest.clone(remote): default sentinel -> None",
        "BaseRequest.clone(client_max_size): default sentinel -> None",
        "BaseRequest.clone(client_max_fields): default sentinel -> None",
    ),
    "A request is equal to itself alone, and so can be hashed like a response.": (
        "BaseRequest is a Hashable: extra",
        "BaseRequest.__hash__: extra",
    ),
    "ATTRS is aiohttp's own list of what it sets on instances.": (
        "Application.ATTRS: missing",
        "BaseRequest.ATTRS: missing",
        "StreamResponse.ATTRS: missing",
    ),
    "Runners and servers say by name what aiohttp takes from `**kwargs`, and how they end.": (
        "AppRunner.__init__(access_log, access_log_format, logger, debug, handler_cancellation, "
        "on_exit, root_path, lifespan, lifespan_startup_timeout, lifespan_shutdown_timeout): "
        "extra",
        "BaseRunner.hurry: extra",
        "Server.__init__(access_log, access_log_class, access_log_format, logger, debug, "
        "auto_decompress): extra",
        "Server.at_step_end: extra",
        "Server.close_idle: extra",
        "Server.closed: extra",
        "Server.exit: extra",
        "Server.held: extra",
        "Server.hurry: extra",
        "Server.left: extra",
        "Server.list_idle: extra",
        "Server.opened: extra",
        "Server.prepare: extra",
        "Server.sweep: extra",
        "Server.turn_to: extra",
    ),
    "A connection is run by its server: how it reads and answers is its own affair.": (
        "RequestHandler.__init__(keepalive_timeout, tcp_keepalive, logger, access_log_class, "
        "access_log, access_log_format, debug, max_line_size, max_headers, max_field_size, "
        "lingering_time, read_bufsize, auto_decompress, timeout_ceil_threshold): missing",
        "RequestHandler.__init__(kwargs): extra",
        "RequestHandler.__init__(loop): default none -> None",
        "RequestHandler.abort: extra",
        "RequestHandler.check: extra",
        "RequestHandler.cut: extra",
        "RequestHandler.drained: extra",
        "RequestHandler.finish: extra",
        "RequestHandler.finish_response: missing",
        "RequestHandler.addresses: extra",
        "RequestHandler.at_step_end: extra",
        "RequestHandler.end_plain: extra",
        "RequestHandler.forget_continue: extra",
        "RequestHandler.get_extra_info: extra",
        "RequestHandler.has_much_unread: extra",
        "RequestHandler.idle_for: extra",
        "RequestHandler.is_condemned: extra",
        "RequestHandler.is_prepared: extra",
        "RequestHandler.phase: extra",
        "RequestHandler.room: extra",
        "RequestHandler.send_file: extra",
        "RequestHandler.sends_files: extra",
        "RequestHandler.server_header: extra",
        "RequestHandler.set_parser: missing",
        "RequestHandler.start: missing",
        "RequestHandler.deflate_settings: extra",
        "RequestHandler.go_away: extra",
        "RequestHandler.is_reading: extra",
        "RequestHandler.leave_channel: extra",
        "RequestHandler.limit_writes: extra",
        "RequestHandler.max_fragments: extra",
        "RequestHandler.resume_reading(resume_parser): missing",
        "RequestHandler.switch: extra",
        "RequestHandler.starved: extra",
        "RequestHandler.task: extra",
        "RequestHandler.was_served: extra",
        "RequestHandler.write: extra",
        "RequestHandler.write_frame: extra",
        "RequestHandler.write_plain: extra",
        "RequestHandler.writing_paused: missing",
    ),
    "What a connection shows of its server's options is set where the server is made.": (
        "RequestHandler.access_log: settable property -> property",
        "RequestHandler.access_logger: settable property -> property",
        "RequestHandler.debug: settable property -> property",
        "RequestHandler.logger: settable property -> property",
        "RequestHandler.max_field_size: settable property -> property",
        "RequestHandler.max_headers: settable property -> property",
        "RequestHandler.max_line_size: settable property -> property",
        "RequestHandler.transport: settable property -> property",
    ),
    "What an exception says is fixed when it is made: its text and fields are derived from it.": (
        "HTTPMethodNotAllowed.allowed_methods: settable property -> property",
        "HTTPMethodNotAllowed.method: settable property -> property",
        "HTTPMove.location: settable property -> property",
        "HTTPRequestEntityTooLarge.actual_size: extra",
        "HTTPRequestEntityTooLarge.max_size: extra",
    ),
    "Definitions, tags and other data have no order: in aiohttp it is a by-product of attrs.": (
        "ETag.__ge__: missing",
        "ETag.__gt__: missing",
        "ETag.__le__: missing",
        "ETag.__lt__: missing",
        "FileField.__ge__: missing",
        "FileField.__gt__: missing",
        "FileField.__le__: missing",
        "FileField.__lt__: missing",
        "RouteDef.__ge__: missing",
        "RouteDef.__gt__: missing",
        "RouteDef.__le__: missing",
        "RouteDef.__lt__: missing",
        "StaticDef.__ge__: missing",
        "StaticDef.__gt__: missing",
        "StaticDef.__le__: missing",
        "WebSocketReady.__ge__: missing",
        "WebSocketReady.__gt__: missing",
        "WebSocketReady.__le__: missing",
        "WebSocketReady.__lt__: missing",
        "StaticDef.__lt__: missing",
    ),
    "Names that annotations need are public.": (
        "Handler: extra",
        "Middleware: extra",
    ),
    "Access logs can be written as JSON, and by coroutines.": (
        "AbstractAsyncAccessLogger: extra",
        "JSONFormatter: extra",
    ),
    "Streams of server-sent events are at hand.": (
        "EventSourceResponse: extra",
        "ServerSentEvent: extra",
    ),
    "A signal without an owner is one.": ("Signal.__init__(owner): default none -> None",),
    "The command is `bascule`, which serves ASGI applications too.": ("main: missing",),
    "Bodies are fed by an exchange: by whom, how, and how much at once is its own affair.": (
        "EmptyStreamReader.feed_data(n): missing",
        "StreamReader.__init__(protocol, timer, loop): missing",
        "StreamReader.__init__(source): extra",
        "StreamReader.__init__(limit): default none -> 65536",
        "StreamReader.begin_http_chunk_receiving: missing",
        "StreamReader.close: extra",
        "StreamReader.end_chunk: extra",
        "StreamReader.end_http_chunk_receiving: missing",
        "StreamReader.feed_chunks: extra",
        "StreamReader.feed_whole: extra",
        "StreamReader.take_whole: extra",
        "StreamReader.feed_data(size): missing",
        "StreamReader.is_full: extra",
        "StreamReader.is_waiting: extra",
        "StreamReader.set_exception(exc_cause): default BaseException() -> None",
        "StreamReader.set_read_chunk_size: missing",
        "StreamReader.total_compressed_bytes: settable property -> property",
    ),
    "Streams are iterated by generators, not by objects of a class of their own.": (
        "StreamReader.__aiter__: method -> async generator",
        "StreamReader.iter_any: method -> async generator",
        "StreamReader.iter_chunked: method -> async generator",
        "StreamReader.iter_chunks: method -> async generator",
    ),
    "Responses are made by their public parameters alone.": (
        "StreamResponse.__init__(_real_headers): missing",
    ),
}

# What a later milestone brings: nothing is missing.
AWAITED: Table = {}
