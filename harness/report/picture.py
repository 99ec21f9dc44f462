"""A chart of the page as a file of its own, for a README or a job: SVG with its colours, light and dark."""

from __future__ import annotations

from harness.report.axes import Figure, chart_style
from harness.report.markup import Markup, join, tag
from harness.report.progress_chart import progress
from harness.report.run_story import RunStory


def picture(story: RunStory) -> str:
    """SVG text of the chart of the ratio against the kernels judged; readable in light and dark surroundings."""
    return standalone(progress(story))


def standalone(figure: Figure) -> str:
    """The chart as an SVG document. It loads nothing and has an opaque ground; `prefers-color-scheme` of the reader
    chooses the colours, also where the file is an image of a page.
    """
    head, _, rest = figure.picture.partition(">")
    title, end, marks = rest.partition("</title>")
    around = join(
        [
            tag("desc", f"{figure.title}. {figure.caption}"),
            tag("style", Markup(chart_style())),
            tag("rect", width="100%", height="100%", class_="ground"),
        ]
    )
    return f'{head} xmlns="http://www.w3.org/2000/svg">{title}{end}{around}{marks}\n'
