"""What the Axes of a figure hold: texts, colors, overlaps."""


def texts(axis):
    return [text.get_text() for text in axis.texts]


def shown(axis):
    """What a picture's Axes shows as RGB, pixel by pixel."""
    artist = axis.images[0]
    return artist.to_rgba(artist.get_array())[..., :3]


def drawn_over(figure):
    """Pairs of texts whose boxes overlap once the figure is drawn."""
    figure.canvas.draw()
    boxes = [
        (text.get_text(), text.get_window_extent())
        for axis in figure.axes
        for text in [axis.title, *axis.texts, *axis.get_xticklabels(), *axis.get_yticklabels()]
        if text.get_text() and text.get_visible()
    ]
    boxes += [(text.get_text(), text.get_window_extent()) for text in figure.texts]
    pairs = [(a, b) for i, a in enumerate(boxes) for b in boxes[i + 1 :]]
    return [(a[0], b[0]) for a, b in pairs if a[1].shrunk(0.98, 0.9).overlaps(b[1].shrunk(0.98, 0.9))]
