"""The pages as functions from data to HTML; every value from outside goes through `escape`."""

from html import escape

from .drafts import MAX_FILE_SIZE, MAX_TITLE_LENGTH
from .pastes import Listing, Paste, Summary

__all__ = ["error_page", "index_page", "paste_page"]


def index_page(listing: Listing) -> str:
    """Render the form and a page of the list."""
    return _page("Board", f"{_form()}\n{_list(listing)}\n{_pager(listing)}")


def paste_page(paste: Paste) -> str:
    """Render one paste in full."""
    # Between <pre> and the text must be a tag: a newline right behind <pre> would be dropped.
    text = f'<div class="card"><pre dir="auto"><code>{escape(paste.text)}</code></pre></div>'
    return _page(
        paste.title,
        f"""<article>
<h1 dir="auto">{escape(paste.title)}</h1>
<p class="meta">{_time(paste.created)} · <a href="/pastes/{paste.id}/raw">raw text</a></p>
{text if paste.text else ""}
{_file_link(paste)}
</article>""",
    )


def error_page(status: int, message: str) -> str:
    """Render an error in one sentence."""
    return _page(
        f"{status} {message}",
        f"""<div class="error">
<h1><strong>{status}</strong> {escape(message)}</h1>
<p><a href="/">Back to the board</a></p>
</div>""",
    )


def _page(title: str, main: str) -> str:
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<link rel="stylesheet" href="/style.css">
</head>
<body>
<header class="site">
<a class="name" href="/">Board</a>
<a href="/#new">New paste</a>
<a href="/export.csv">Export</a>
</header>
<main>
{main}
</main>
</body>
</html>
"""


def _form() -> str:
    return f"""<section id="new">
<h1>New paste</h1>
<form class="card" method="post" action="/pastes" enctype="multipart/form-data">
<label>Title <input name="title" required maxlength="{MAX_TITLE_LENGTH}" dir="auto"></label>
<label>Text <textarea name="text" rows="8" spellcheck="false" dir="auto"></textarea></label>
<label>File, up to {_size(MAX_FILE_SIZE)} (optional) <input name="file" type="file"></label>
<button>Publish</button>
</form>
</section>"""


def _list(listing: Listing) -> str:
    if not listing.pastes:
        return '<p class="empty">Nothing here yet. Be the first.</p>'
    items = "\n".join(map(_item, listing.pastes))
    return f"""<section id="pastes">
<h2>Newest pastes</h2>
<ol class="pastes">
{items}
</ol>
</section>"""


def _item(paste: Summary) -> str:
    excerpt = " ".join(paste.excerpt.split())
    shown = f'\n<p dir="auto">{escape(excerpt)}</p>' if excerpt else ""
    file = f" · <bdi>{escape(paste.file_name)}</bdi>" if paste.file_name else ""
    return f"""<li><a href="/pastes/{paste.id}" dir="auto">{escape(paste.title)}</a>{shown}
<p>{_time(paste.created)}{file}</p></li>"""


def _pager(listing: Listing) -> str:
    if listing.pages == 1:
        return ""
    newer = f'<a rel="prev" href="/?page={listing.page - 1}#pastes">Newer</a>'
    older = f'<a rel="next" href="/?page={listing.page + 1}#pastes">Older</a>'
    return f"""<nav class="pager" aria-label="Pages">
{newer if listing.page > 1 else ""}
<span>Page {listing.page} of {listing.pages}</span>
{older if listing.page < listing.pages else ""}
</nav>"""


def _file_link(paste: Paste) -> str:
    if paste.file_name is None or paste.file_size is None:
        return ""
    name, size = escape(paste.file_name), _size(paste.file_size)
    return f'<a class="file" href="/pastes/{paste.id}/file">Download <bdi>{name}</bdi></a> {size}'


def _time(created: str) -> str:
    """Render an ISO 8601 time of UTC to the minute."""
    return f'<time datetime="{created}">{created[:16].replace("T", " ")} UTC</time>'


def _size(size: int) -> str:
    if size < 1024:
        return f"{size} bytes"
    if size < 1024**2:
        return f"{size / 1024:.0f} KiB"
    return f"{size / 1024**2:.0f} MiB"
