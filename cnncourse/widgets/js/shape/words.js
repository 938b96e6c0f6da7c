// What is said: of sizes, of what is never read, of what is pointed at.

function listed(values) {
  const texts = values.map((value) => format(value));
  return texts.length < 2 ? texts.join("") : `${texts.slice(0, -1).join(", ")} and ${texts.at(-1)}`;
}

/** "row 3", "rows 3 to 5", "rows 0, 2 and 4" */
function places(word, values) {
  if (values.length === 1) return `${word} ${format(values[0])}`;
  const last = values.at(-1);
  const together = values.length > 2 && last - values[0] === values.length - 1;
  return `${word}s ${together ? `${format(values[0])} to ${format(last)}` : listed(values)}`;
}

const times = (count) => (count === 1 ? "once" : count === 2 ? "twice" : `${count} times`);
const lastLines = (count) => `last ${count === 1 ? "row and column" : `${count} rows and columns`}`;
const namedLines = (indices) => `${indices.length === 1 ? "Row and column" : "Rows and columns"} ${listed(indices)}`;

/** How often the real pixels are read along both axes. */
function squaredCounts(settings) {
  const { padding } = settings;
  return countsAlong(settings).slice(padding, padding + sides(settings).pixels).map((count) => count ** 2);
}

/** Forward: what the floor drops, and what is never read or how often. */
function forwardRemark(settings) {
  const { input, padding, stride } = settings;
  const over = (sides(settings).grid - spanOf(settings)) % stride;
  const unread = unreadOf(settings);
  const atEnd = unread[0] === input - unread.length;
  const lost = `${input ** 2 - (input - unread.length) ** 2} of ${plural(input ** 2, "pixel")}`;
  let floor = "";
  if (over) {
    floor = `The floor drops a remainder of ${over}: `;
    const all = padding === 0 && atEnd && unread.length === over;
    if (all) return `${floor}the ${lastLines(over)} are never read, ${lost}.`;
    floor += over <= padding ? "only padding is lost. "
      : `no window reaches the ${lastLines(over)} of the ${padding ? "padded " : ""}input. `;
  }
  if (unread.length) {
    return `${floor}${atEnd ? `The ${lastLines(unread.length)}` : namedLines(unread)} are never read, ${lost}.`;
  }
  const counts = squaredCounts(settings);
  const [corner, least, most] = [counts[0], Math.min(...counts), Math.max(...counts)];
  if (least === most) return `${floor}Every pixel is read ${most === 1 ? "exactly once" : times(most)}.`;
  const others = corner === most ? `as seldom as ${times(least)}` : `up to ${times(most)}`;
  return `${floor}Every pixel is read: a corner ${times(corner)}, others ${others}.`;
}

/** Transposed: which sizes a convolution brings here, and how evenly the output is made. */
function transposedRemark(settings) {
  const { input, stride } = settings;
  const { output } = sides(settings);
  const most = output + stride - 1;
  const all = stride === 1 ? output : `${output} ${stride === 2 ? "and" : "to"} ${most} alike`;
  const back = `A convolution with these settings turns ${all} into ${input}; ` +
    `the transposed one turns ${input} into ${output}.`;
  const unread = unreadOf(settings);
  if (unread.length) return `${back} ${namedLines(unread)} get nothing from the input, only the bias.`;
  const counts = squaredCounts(settings);
  const [low, high] = [Math.min(...counts), Math.max(...counts)];
  return `${back} Every output pixel sums ${low === high ? plural(high, "product") : `${low} to ${high} products`}.`;
}

const remarkOn = (settings) => (settings.view === "forward" ? forwardRemark(settings) : transposedRemark(settings));

function summaryOf(settings) {
  const { view, input, kernel, stride, padding, dilation } = settings;
  const { output } = sides(settings);
  const what = view === "forward" ? "" : "Transposed. ";
  const given = `Input ${input}, kernel ${kernel}, stride ${stride}, padding ${padding}, dilation ${dilation}`;
  return `${what}${given}: output ${output} by ${output}.`;
}

/** What is pointed at, and what belongs to it. */
function sentenceOn(settings, { of, at }) {
  const forward = settings.view === "forward";
  const { windows, pixels } = sides(settings);
  const pair = `(${at.map((index) => format(index)).join(", ")})`;
  const [rows, columns] = belongTo(settings, { of, at }).map((axis) => axis.map(([index]) => index));
  const alike = rows.length > 1 && rows.join() === columns.join();
  const area = alike ? places("rows and column", rows) : `${places("row", rows)}, ${places("column", columns)}`;
  const outside = (index) => index < 0 || index >= pixels;
  if (of === "windows") {
    const taps = settings.kernel ** 2;
    const border = taps - rows.filter((y) => !outside(y)).length * columns.filter((x) => !outside(x)).length;
    const [action, all, fate] = forward
      ? [`output ${pair} reads ${area} of the input.`, `its ${plural(taps, "pixel")}`, "padding"]
      : [`input ${pair} times the kernel goes to ${area} of the output.`, `the ${plural(taps, "product")}`, "cropped"];
    const lost = border ? ` ${border} of ${all} ${border === 1 ? "is" : "are"} ${fate}.` : "";
    return `Step ${at[0] * windows + at[1] + 1} of ${windows ** 2}: ${action}${lost}`;
  }
  const count = rows.length * columns.length;
  const border = at.some(outside);
  if (forward) {
    const subject = border ? `Padding at ${pair}, always 0,` : `Input ${pair}`;
    return count ? `${subject} is read by ${plural(count, "output")}: ${area}.` : `${subject} is never read.`;
  }
  const subject = border ? `Output ${pair}, which is cropped,` : `Output ${pair}`;
  if (count === 0) return `${subject} gets nothing from the input, only the bias.`;
  return `${subject} sums ${plural(count, "product")}, from ${area} of the input.`;
}

/** The size of the output with its numbers put in, in one line. */
function workedSize({ view, input, kernel, stride, padding, dilation }, output) {
  const spanned = `${dilation}·(${kernel} ${MINUS} 1)`;
  return view === "forward"
    ? `floor of (${input} + 2·${padding} ${MINUS} ${spanned} ${MINUS} 1) / ${stride}, plus 1 = ${output}`
    : `(${input} ${MINUS} 1)·${stride} ${MINUS} 2·${padding} + ${spanned} + 1 = ${output}`;
}

/** How many pixels a panel has, and what is around them: ["7 × 7", " + 1 around"]. */
function sizeOf(settings, name) {
  const { input, padding } = settings;
  const side = name === "input" ? input : sides(settings).output;
  const around = padding ? (settings.view === "forward" ? ` + ${padding} around` : `, ${padding} cropped`) : "";
  return [`${side} × ${side}`, roleOf(settings, name) === "pixels" ? around : ""];
}
