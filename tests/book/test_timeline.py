"""The timeline: its chart and its table hold the same numbers, and these are the published ones."""

import ast
import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parents[2] / "book/timeline.md").read_text(encoding="utf-8")

# Russakovsky et al. 2015 (2010–2014), He et al. 2016, ImageNet's results of 2016, Hu et al. 2018.
PUBLISHED = {2010: 28.2, 2011: 25.8, 2012: 16.4, 2013: 11.7, 2014: 6.7, 2015: 3.57, 2016: 2.99, 2017: 2.25}


def chart():
    """year → (winner, error), as the cell that draws the chart has them."""
    rows = ast.literal_eval(re.search(r"^WINNERS = (\[.+?^\])", PAGE, re.M | re.S)[1])
    return {year: (winner.replace("\n", ""), error) for year, winner, error in rows}


def table():
    """year → (winner, error), as the table has them."""
    rows = re.findall(r"^\| (\d{4}) \| ([\w-]+)[^|]*\| ([\d.]+) % \|", PAGE, re.M)
    return {int(year): (winner, float(error)) for year, winner, error in rows}


def test_the_chart_has_the_published_errors():
    assert {year: error for year, (_, error) in chart().items()} == PUBLISHED


def test_the_table_says_what_the_chart_shows():
    assert table() == chart()


def test_the_alternative_text_names_every_error():
    alternative = re.search(r'alt: "(.+)"', PAGE)[1]
    assert [float(number) for number in re.findall(r"\d+\.\d+", alternative)] == list(PUBLISHED.values())


@pytest.mark.parametrize("percent, raw", [("16.4", 0.16422), ("15.3", 0.15315), ("26.2", 0.26172)])
def test_the_numbers_of_2012_are_those_of_the_official_list(percent, raw):
    assert f"{100 * raw:.1f}" == percent
    assert re.search(rf"{percent}( %| percent)", PAGE)
