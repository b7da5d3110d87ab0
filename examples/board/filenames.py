"""Names of uploaded files: made harmless on the way in, quoted on the way out."""

import re
from urllib.parse import quote

__all__ = ["attachment_disposition", "clean_file_name"]

# File systems take 255 bytes, and a character of UTF-8 has at most four.
_MAX_LENGTH = 60

_UNSAFE_IN_QUOTED = re.compile(r"[^ !#$&-\[\]-~]")


def clean_file_name(name: str) -> str:
    """Reduce a name that a client chose to one that is safe to show and to save.

    Directories of either separator go, as do control and format characters (a right-to-left
    mark can disguise an extension) and the dots and blanks at both ends; of a long name the
    end stays, for the sake of its extension.
    """
    base = name.replace("\\", "/").rpartition("/")[2]
    printable = "".join(filter(str.isprintable, base))
    return printable.strip(" .")[-_MAX_LENGTH:].strip(" .") or "unnamed"


def attachment_disposition(name: str) -> str:
    """Dump a Content-Disposition field that saves the body as `name`.

    Clients that know ``filename*`` prefer it; the others get an ASCII rendering, without the
    characters that they are known to misread (RFC 6266 section 4.3 and appendix D).
    """
    plain = _UNSAFE_IN_QUOTED.sub("_", name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
