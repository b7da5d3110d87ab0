"""Pages with forms that a browser sends as soon as it has read them, each to its own address."""

__all__ = ["PAGES"]

_FILES = r"""
const file = (name, data, type) => new File([data], name, {type});
const FILES = [
  file("a.txt", "hello\n", "text/plain"),
  file("näive €.txt", "not ascii", ""),
  file('q"uo;te\\s.txt', "quotes", "text/x-y"),
  file("line\r\nbreak\n.txt", "breaks", "text/plain;charset=latin-1"),
  file("empty", "", "application/json"),
];
"""
_PAIRS = r"""
const PAIRS = [["a", "b"], ["a", "é €"], ["empty", ""], ["", "no name"], ["näme", "x"],
  ['q"uo;te\\', 'v"a;l\\'], ["line\r\nbreak", "one\r\ntwo\nthree\rfour"], ["+&=%", "+&=% "]];
"""
_FIELDS = r"""
for (const [name, value] of PAIRS) {
  const field = document.createElement("textarea");
  field.name = name;
  field.value = value;
  document.forms[0].append(field);
}
"""
_CHOICE = r"""
const chosen = new DataTransfer();
FILES.forEach(each => chosen.items.add(each));
const input = document.createElement("input");
Object.assign(input, {type: "file", name: "f", multiple: true});
document.forms[0].append(input);
input.files = chosen.files;
"""


def _fetch(name: str, script: str) -> str:
    """Make a page whose script fills ``body``, which is fetched."""
    return (
        f"<!DOCTYPE html><script>{_FILES}{_PAIRS}{script}"
        f'fetch("/{name}", {{method: "POST", body}});</script>'
    )


def _submit(name: str, attributes: str, script: str, *, fields: str = "") -> str:
    """Make a page with a form that is filled and sent."""
    return (
        f'<!DOCTYPE html><meta charset=utf-8><form method=post action="/{name}" {attributes}>'
        f"{fields}<button name=sent value=yes>x</button></form>"
        f"<script>{_FILES}{_PAIRS}{script}document.forms[0].requestSubmit("
        "document.forms[0].elements.sent);</script>"
    )


_MULTIPART = "enctype=multipart/form-data"
_CHARSET = "<input type=hidden name=_charset_>"

PAGES: dict[str, str] = {
    "fetch-pairs": _fetch(
        "fetch-pairs",
        "const body = new FormData(); PAIRS.forEach(([n, v]) => body.append(n, v));",
    ),
    "fetch-files": _fetch(
        "fetch-files",
        "const body = new FormData(); body.append('a', 'b');"
        "FILES.forEach(each => body.append('f', each));"
        "body.append('blob', new Blob(['blob'])); body.append('g', new Blob(['x']), 'own.name');",
    ),
    "fetch-empty": _fetch("fetch-empty", "const body = new FormData();"),
    "fetch-search": _fetch("fetch-search", "const body = new URLSearchParams(PAIRS);"),
    "form-urlencoded": _submit("form-urlencoded", "", _FIELDS, fields=_CHARSET),
    "form-multipart": _submit("form-multipart", _MULTIPART, _FIELDS + _CHOICE),
    "form-charset": _submit("form-charset", _MULTIPART, _FIELDS, fields=_CHARSET),
    "form-no-file": _submit(
        "form-no-file", _MULTIPART, "", fields="<input type=file name=f><input name=a value=b>"
    ),
    "form-text": _submit("form-text", "enctype=text/plain", _FIELDS),
    "form-latin-1": _submit("form-latin-1", "accept-charset=iso-8859-1", _FIELDS, fields=_CHARSET),
    "form-multipart-latin-1": _submit(
        "form-multipart-latin-1",
        f"{_MULTIPART} accept-charset=iso-8859-1",
        _FIELDS + _CHOICE,
        fields=_CHARSET,
    ),
}
