"""A path that only some requests match: `python examples/regex_path.py`.

The expression is matched against the decoded path, as a whole. `/orders/7` is answered; `/orders/x`
is not found. Try `curl http://127.0.0.1:8080/orders/7` and `.../files/2024/report.txt`.
"""

from bascule import web


async def show_order(request: web.Request) -> web.Response:
    number = int(request.match_info["number"])  # digits alone come here
    return web.Response(text=f"Order {number}\n")


async def show_file(request: web.Request) -> web.Response:
    match = request.match_info
    return web.Response(text=f"{match['name']} of {match['year']}\n")


app = web.Application()
app.add_routes(
    [
        web.get(r"/orders/{number:[0-9]{1,9}}", show_order),
        # `.+` takes slashes too, so this is every path below the year.
        web.get(r"/files/{year:[0-9]{4}}/{name:.+}", show_file),
    ]
)

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1")
