"""From blocks to one HTML file that asks nothing of anybody.

The file carries its style, its scripts and its plots. Its content security policy allows no request
and no script but the two that are in it, told by their hashes; plots run in Vega's interpreter, so
that nothing needs to be evaluated as code.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from edgedistill.render.escaping import visible
from edgedistill.render.page.blocks import Plots

if TYPE_CHECKING:
    from collections.abc import Sequence

    import jinja2

    from edgedistill.render.page.blocks import Section

_EXPOSE = "window.vegaEmbed = vegaEmbed;"


def html(template: str, *, sections: Sequence[Section], **facts: Any) -> str:
    """A page as HTML.

    Args:
        template: The file in `files`.
        sections: Its content.
        facts: What else the template wants.
    """
    plots = [
        plot
        for section in sections
        for block in section.blocks
        if isinstance(block, Plots)
        for plot in block.plots
    ]
    library = plot_library() if plots else ""
    script = _file("page.js")
    return (
        _environment()
        .get_template(template)
        .render(
            sections=sections,
            style=Markup(_file("style.css")),
            library=Markup(library),
            script=Markup(script),
            specs=Markup(embedded({plot.name: plot.spec for plot in plots})),
            policy=policy([part for part in (library, script) if part]),
            **facts,
        )
    )


@cache
def plot_library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script, the same for every page."""
    import vl_convert

    library: str = vl_convert.javascript_bundle(_EXPOSE)
    return library.replace("</script", r"<\/script")


def embedded(content: Any) -> str:
    r"""JSON that may stand in a script element: nothing in it ends the element or begins another.

    >>> embedded({"name": "</script><!-- & \u2028"})
    '{"name": "\\u003c/script\\u003e\\u003c!-- \\u0026 \\u2028"}'
    """
    plain = json.dumps(content, sort_keys=True, allow_nan=False)  # ASCII: U+2028 is escaped
    for character in "<>&":
        plain = plain.replace(character, f"\\u{ord(character):04x}")
    return plain


def policy(scripts: Sequence[str]) -> str:
    """A content security policy that allows these scripts, styles in the file, and no request."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in scripts
    )
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; "
        "img-src data:; media-src data:; base-uri 'none'; form-action 'none'"
    )


@cache
def _environment() -> jinja2.Environment:
    import jinja2

    def shown(value: Any) -> Any:
        """What a reader may not see becomes a mark; text that is HTML already is ours."""
        return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    return jinja2.Environment(
        loader=jinja2.PackageLoader(__package__, "files"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _file(name: str) -> str:
    from importlib.resources import files

    return (files(__package__) / "files" / name).read_text(encoding="utf-8")
