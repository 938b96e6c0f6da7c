"""Every test of a figure starts in the course's style and leaves no figure behind."""

import matplotlib
import matplotlib.pyplot as plt
import pytest

matplotlib.use("agg")

from cnncourse import figures


@pytest.fixture(autouse=True)
def clean_pyplot():
    with matplotlib.rc_context():
        figures.use_style()
        yield
    plt.close("all")
