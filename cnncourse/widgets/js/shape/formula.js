// The formula of the output's size, in letters and in numbers.

const LETTERS = { input: "H", kernel: "k", stride: "s", padding: "p", dilation: "d", output_padding: "p′" };

/** A letter of the notation. */
const variable = (letter) => make("i", { class: "x-letter" }, letter);

/** The letter of a setting of both axes, or of one of them. */
function letterOf(name, axis = null) {
  if (axis === null || name === "input") return variable(axis === 1 ? "W" : LETTERS[name]);
  return make("span", {}, variable(LETTERS[name]), make("sub", {}, AXES[axis][0]));
}

/** The lines of the formula for the settings of an axis: with letters, with the numbers, and what comes out; null is both axes. */
function formulaLines(settings, axis) {
  const { view, stride } = settings;
  const { output, grid } = sides(settings);
  const span = (...content) => make("span", {}, ...content);
  const line = (...content) => make("span", { class: "x-line" }, ...content);
  const divided = (top, bottom) => make("span", { class: "x-fraction" }, span(...top), span(bottom));
  const bracket = (text) => make("span", { class: "x-floor" }, text);
  const floor = (content) => span(bracket("⌊"), content, bracket("⌋"), " + 1");
  const letter = (name) => letterOf(name, axis);
  const number = (name) => make("span", { class: "x-of", "data-of": axis === null ? name : `${name} ${axis}` }, settings[name]);
  const extent = (of) => [of("dilation"), "·(", of("kernel"), ` ${MINUS} 1)`];
  const forward = (of) =>
    floor(divided([of("input"), " + 2·", of("padding"), ` ${MINUS} `, ...extent(of), ` ${MINUS} 1`], of("stride")));
  const transposed = (of) => span("(", of("input"), ` ${MINUS} 1)·`, of("stride"), ` ${MINUS} 2·`, of("padding"),
    " + ", ...extent(of), " + ", of("output_padding"), " + 1");
  const size = view === "forward" ? forward : transposed;
  const worked = view === "forward" && axis === null ? [floor(divided([grid - spanOf(settings)], stride)), " = "] : [];
  return [
    line(span(letterOf("input", axis), "′ = "), size(letter)),
    line(" = ", size(number)),
    line(" = ", ...worked, make("b", { class: "x-value" }, output)),
  ];
}
