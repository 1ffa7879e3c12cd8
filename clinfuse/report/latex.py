"""Tables as LaTeX: booktabs rules, every special character escaped, nothing bold and no stars."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from clinfuse.report.html import LONGEST_CAPTION, clean
from clinfuse.report.typeset import is_figure, typeset

_WIDEST = 7  # columns that a portrait page of a journal bears at its own size
_TEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "_": r"\_",
    "%": r"\%",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "−": "$-$",
    "–": "--",
    "…": r"\ldots{}",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "×": r"$\times$",
    "±": r"$\pm$",
    "µ": r"$\mu$",
    "μ": r"$\mu$",
    "²": r"$^2$",
    "³": r"$^3$",
    "°": r"$^\circ$",
    "\u00a0": "~",
}


def tex_text(table: pd.DataFrame, *, caption: str = "", name: str = "") -> str:
    r"""Give a table as LaTeX with the rules of booktabs; a table of many columns is scaled to the width of the page.

    Parameters
    ----------
    table : DataFrame
    caption : str
    name : str
        Of the label, as in ``\ref{tab:models}``; none where it is empty.

    Examples
    --------
    >>> r"5\%" in tex_text(pd.DataFrame({"share": ["5%"]}))
    True
    """
    rows = [[typeset(cell) for cell in row] for row in table.itertuples(index=False, name=None)]
    columns = "".join("r" if _figures(rows, place) else "l" for place in range(len(table.columns))) or "l"
    head = _line([str(column) for column in table.columns])
    body = "".join(_line(row) for row in rows)
    wide = len(table.columns) > _WIDEST
    packages = [r"\usepackage{booktabs}", r"\usepackage[T1]{fontenc}"] + [r"\usepackage{graphicx}"] * wide
    grid = f"\\begin{{tabular}}{{{columns}}}\n\\toprule\n{head}\\midrule\n{body}\\bottomrule\n\\end{{tabular}}"
    return (
        f"% needs {', '.join(packages)}\n\\begin{{table}}\n\\centering\n\\caption{{{escaped(caption)}}}\n{_label(name)}"
        + (f"\\resizebox{{\\linewidth}}{{!}}{{%\n{grid}}}" if wide else grid)
        + "\n\\end{table}\n"
    )


def long_tex_text(table: pd.DataFrame, widths: Sequence[float], *, caption: str = "", name: str = "") -> str:
    """Give a table of sentences as LaTeX: columns of declared widths, going on over pages.

    Parameters
    ----------
    table : DataFrame
    widths : sequence of float
        Of its columns, shares of the line.
    caption, name : str
        As for `tex_text`.
    """
    columns = "".join(f"p{{{width:.2f}\\linewidth}}" for width in widths)
    head = _line([str(column) for column in table.columns])
    body = "".join(_line([typeset(cell) for cell in row]) for row in table.itertuples(index=False, name=None))
    return (
        "% needs \\usepackage{booktabs}, \\usepackage{longtable}, \\usepackage[T1]{fontenc}\n"
        f"{{\\small\\raggedright\n\\begin{{longtable}}{{{columns}}}\n\\caption{{{escaped(caption)}}}{_label(name).strip()}"
        f"\\\\\n\\toprule\n{head}\\midrule\n\\endhead\n{body}\\bottomrule\n\\end{{longtable}}}}\n"
    )


def escaped(text: str) -> str:
    r"""Give a text in which LaTeX finds no command, and no blank line that would end a paragraph.

    Examples
    --------
    >>> print(escaped("p < 0.001, 5 %"))
    p $<$ 0.001, 5 \%
    """
    one_line = " ".join(clean(text, LONGEST_CAPTION).replace("\t", "\n").split("\n"))
    return "".join(_TEX.get(letter, letter) for letter in one_line)


def _label(name: str) -> str:
    plain = "".join(letter for letter in name if letter.isascii() and (letter.isalnum() or letter == "-"))
    return f"\\label{{tab:{plain}}}\n" if plain else ""


def _line(cells: list[str]) -> str:
    # A star or bracket after a line's end would be read as an option of it.
    first = "{}" if cells and cells[0].lstrip().startswith(("[", "*")) else ""
    return f"{first}{' & '.join(escaped(cell) for cell in cells)} \\\\\n"


def _figures(rows: list[list[str]], place: int) -> bool:
    """Whether a column holds numbers only, so that its digits stand under each other at the right."""
    cells = [row[place] for row in rows if row[place] not in ("", "–", "-")]
    return bool(cells) and all(is_figure(cell) for cell in cells)
