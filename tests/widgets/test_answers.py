"""Explorers answer at every move: none costs much more processor time than so many multiply-adds in a plain loop."""

import pytest
from answers import CASES, measure

# Million multiply-adds that an answer may cost, its numbers alone and with all that is painted: two to four times what
# it does, and less than a tenfold of it.
MOST = {
    "kernel": {"numbers": 7, "all": 100},
    "kernel_layers": {"numbers": 12, "all": 150},
    "shape": {"numbers": 4, "all": 75},
    "optimizer": {"numbers": 3, "all": 50},
    "lenet": {"numbers": 7, "all": 60},
    "architecture": {"numbers": 8, "all": 40},
    "attention": {"numbers": 20, "all": 50},
    "train": {"numbers": 12, "all": 60},
}


@pytest.fixture(scope="module")
def address(publish):
    return publish(**{name: explorer().page_html() for name, (explorer, _) in CASES.items()})


@pytest.mark.parametrize("name", CASES)
def test_an_answer_is_cheap(visit, name):
    """Seconds are for `make bench`: they tell of the machine and of what else runs on it."""
    page = visit(name)
    before = page.locator("[data-explorer]").get_attribute("data-state")
    answer, million = measure(page, name)
    assert page.locator("[data-explorer]").get_attribute("data-state") != before
    costs = {part: answer[part] / million for part in MOST[name]}
    assert {part: cost for part, cost in costs.items() if cost > MOST[name][part]} == {}, costs
