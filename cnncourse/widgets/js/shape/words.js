// What is said: of sizes, of what is never read, of what is pointed at.

const joined = (texts) => (texts.length < 2 ? texts.join("") : `${texts.slice(0, -1).join(", ")} and ${texts.at(-1)}`);
const listed = (values) => joined(values.map((value) => format(value)));

/** "row 3", "rows 3 to 5", "rows 0, 2 and 4" */
function places(word, values) {
  if (values.length === 1) return `${word} ${format(values[0])}`;
  const last = values.at(-1);
  const together = values.length > 2 && last - values[0] === values.length - 1;
  return `${word}s ${together ? `${format(values[0])} to ${format(last)}` : listed(values)}`;
}

const times = (count) => (count === 1 ? "once" : count === 2 ? "twice" : `${count} times`);
/** "last 2 rows and columns", or of one axis alone. */
function lastLines(count, axis) {
  const [one, many] = [["row", "rows"], ["column", "columns"]][axis] ?? ["row and column", "rows and columns"];
  return `last ${count === 1 ? one : `${count} ${many}`}`;
}
const namedLines = (indices) => `${indices.length === 1 ? "Row and column" : "Rows and columns"} ${listed(indices)}`;

/** One text for both axes, or one for each with its name. */
function byAxis(settings, text) {
  if (!isApart(settings)) return text(axesOf(settings)[0]);
  const texts = axesOf(settings).map(text);
  return texts.map((each, axis) => each && `${capital(AXES[axis])}: ${each}`).filter(Boolean).join(" ");
}

/** What no window lies on, where there is something, with its verb: of "is read" or "gets". */
function unreadText(settings, [one, many]) {
  const [rows, columns] = axesOf(settings).map(unreadOf);
  if (!isApart(settings)) return `${namedLines(rows)} ${many}`;
  const texts = [rows.length && places("row", rows), columns.length && places("column", columns)].filter(Boolean);
  return `${capital(texts.join(" and "))} ${rows.length + columns.length === 1 ? one : many}`;
}

/** Pixels, those that no window lies on, and how often the others are read: in a corner, least, most. */
function coverageOf(settings) {
  const counts = axesOf(settings).map(countsInside);
  const product = (of) => of(counts[0]) * of(counts[1]);
  const all = product(({ length }) => length);
  return {
    all,
    lost: all - product((along) => along.filter(Boolean).length),
    corner: product(([first]) => first), least: product((along) => Math.min(...along)), most: product((along) => Math.max(...along)),
  };
}

/** What the floor drops along an axis. */
function floorRemark(settings, axis) {
  const { padding, stride } = settings;
  const over = (sides(settings).grid - spanOf(settings)) % stride;
  if (!over) return "";
  const lost = over <= padding ? "only padding is lost."
    : `no window reaches the ${lastLines(over, axis)} of the ${padding ? "padded " : ""}input.`;
  return `The floor drops a remainder of ${over}: ${lost}`;
}

/** Forward: what the floor drops, and what is never read or how often. */
function forwardRemark(settings) {
  const { all, lost, corner, least, most } = coverageOf(settings);
  const share = `${lost} of ${plural(all, "pixel")}`;
  if (isApart(settings)) {
    const floor = byAxis(settings, floorRemark);
    if (lost) return `${floor} ${unreadText(settings, ["is", "are"])} never read, ${share}.`.trim();
    return `${floor} Every pixel is read ${least === most ? times(most) : `at least ${times(least)}, at most ${times(most)}`}.`.trim();
  }
  const { input, padding, stride } = settings;
  const over = (sides(settings).grid - spanOf(settings)) % stride;
  const unread = unreadOf(settings);
  const atEnd = unread[0] === input - unread.length;
  if (over && padding === 0 && atEnd && unread.length === over) {
    return `The floor drops a remainder of ${over}: the ${lastLines(over)} are never read, ${share}.`;
  }
  const floor = over ? `${floorRemark(settings)} ` : "";
  if (lost) return `${floor}${atEnd ? `The ${lastLines(unread.length)}` : namedLines(unread)} are never read, ${share}.`;
  if (least === most) return `${floor}Every pixel is read ${most === 1 ? "exactly once" : times(most)}.`;
  const others = corner === most ? `as seldom as ${times(least)}` : `up to ${times(most)}`;
  return `${floor}Every pixel is read: a corner ${times(corner)}, others ${others}.`;
}

/** Which sizes a convolution brings to the input of the transposed one, along an axis. */
function backRemark(settings) {
  const { input, stride, output_padding: added } = settings;
  const { output } = sides(settings);
  const [least, most] = [Math.max(1, output - added), output - added + stride - 1];
  const own = `the transposed one turns ${input} into ${output}`;
  if (most < 1) return `${capital(own)}.`;
  const all = most === least ? least : `${least} ${most - least === 1 ? "and" : "to"} ${most} alike`;
  const chosen = added === 0 ? "" : added < stride ? ", chosen by its output padding" : ", which is none of them";
  return `A convolution with these settings turns ${all} into ${input}; ${own}${chosen}.`;
}

/** Transposed: which sizes a convolution brings here, and how evenly the output is made. */
function transposedRemark(settings) {
  const back = byAxis(settings, backRemark);
  const { lost, least, most } = coverageOf(settings);
  if (lost) return `${back} ${unreadText(settings, ["gets", "get"])} nothing from the input, only the bias.`;
  return `${back} Every output pixel sums ${least === most ? plural(most, "product") : `${least} to ${most} products`}.`;
}

const remarkOn = (settings) => (settings.view === "forward" ? forwardRemark(settings) : transposedRemark(settings));

/** A number, or "7 by 5". */
const by = (value) => (Array.isArray(value) ? value.join(" by ") : String(value));

/** "kernel 3, stride 2, …", of what the view has; in the transposed one the output padding is the last. */
function settingsText(settings, names) {
  return names.map((name) => `${name.replace("_", " ")} ${by(settings[name])}`).join(", ");
}

const namesIn = ({ view }) => GEOMETRY.filter((name) => name !== "output_padding" || view === "transposed");

function summaryOf(settings) {
  const what = settings.view === "forward" ? "" : "Transposed. ";
  const [rows, columns] = bothSides(settings).map(({ output }) => output);
  return `${what}${capital(settingsText(settings, namesIn(settings)))}: output ${rows} by ${columns}.`;
}

/** What is pointed at, and what belongs to it. */
function sentenceOn(settings, { of, at }) {
  const forward = settings.view === "forward";
  const axes = axesOf(settings);
  const pair = `(${at.map((index) => format(index)).join(", ")})`;
  const both = belongTo(settings, { of, at }).map((axis) => axis.map(([index]) => index));
  const [rows, columns] = both;
  const alike = rows.length > 1 && rows.join() === columns.join();
  const area = alike ? places("rows and column", rows)
    : `${places("row", rows)}, ${places("column", columns)}`;
  const isInside = (index, axis) => index >= 0 && index < sides(axes[axis]).pixels;
  if (of === "windows") {
    const taps = rows.length * columns.length;
    const [y, x] = both.map((indices, axis) => indices.filter((index) => isInside(index, axis)).length);
    const border = taps - y * x;
    const [action, all, fate] = forward
      ? [`output ${pair} reads ${area} of the input.`, `its ${plural(taps, "pixel")}`, "padding"]
      : [`input ${pair} times the kernel goes to ${area} of the output.`, `the ${plural(taps, "product")}`, "cropped"];
    const lost = border ? ` ${border} of ${all} ${border === 1 ? "is" : "are"} ${fate}.` : "";
    return `Step ${at[0] * acrossOf(settings) + at[1] + 1} of ${windowsOf(settings)}: ${action}${lost}`;
  }
  const count = rows.length * columns.length;
  const border = !at.every(isInside);
  if (forward) {
    const subject = border ? `Padding at ${pair}, always 0,` : `Input ${pair}`;
    return count ? `${subject} is read by ${plural(count, "output")}: ${area}.` : `${subject} is never read.`;
  }
  const added = at.some((index, axis) => index >= sides(axes[axis]).pixels - addedOf(settings)[axis]);
  const subject = `Output ${pair}${border ? ", which is cropped," : added ? ", added by output padding," : ""}`;
  if (count === 0) return `${subject} gets nothing from the input, only the bias.`;
  return `${subject} sums ${plural(count, "product")}, from ${area} of the input.`;
}

/** The side of the output along an axis with its numbers put in, in one line. */
function workedSize(settings) {
  const { view, input, kernel, stride, padding, dilation, output_padding: added } = settings;
  const { output } = sides(settings);
  const spanned = `${dilation}·(${kernel} ${MINUS} 1)`;
  return view === "forward"
    ? `floor of (${input} + 2·${padding} ${MINUS} ${spanned} ${MINUS} 1) / ${stride}, plus 1 = ${output}`
    : `(${input} ${MINUS} 1)·${stride} ${MINUS} 2·${padding} + ${spanned} + ${added} + 1 = ${output}`;
}

/** For paper: the settings, and how the size of the output comes about. */
function settingLines(settings) {
  const [kernel, names] = [axesOf(settings).map((axis) => axis.kernel).join(" × "), namesIn(settings).slice(2)];
  const given = `Kernel ${kernel}, ${settingsText(settings, names).replace(/ by /g, " × ")}.`;
  if (!isApart(settings)) return [`${given} Output: ${workedSize(settings)}.`];
  return [given, ...axesOf(settings).map((axis, index) => `Output ${AXES[index]}: ${workedSize(axis)}.`)];
}

/** How many pixels a panel has, and what is around them: ["7 × 7", " + 1 around"]. */
function sizeOf(settings, name) {
  const axes = axesOf(settings);
  const side = (axis) => (name === "input" ? axis.input : sides(axis).output);
  const both = (value) => (axes[0][value] === axes[1][value] ? axes[0][value] : axes.map((axis) => axis[value]).join(" × "));
  const [padded, added] = [axes.some(({ padding }) => padding), addedOf(settings).some(Boolean)];
  const around = settings.view === "forward" ? (padded ? ` + ${both("padding")} around` : "")
    : `${padded ? `, ${both("padding")} cropped` : ""}${added ? `, ${both("output_padding")} added` : ""}`;
  return [axes.map(side).join(" × "), roleOf(settings, name) === "pixels" ? around : ""];
}
