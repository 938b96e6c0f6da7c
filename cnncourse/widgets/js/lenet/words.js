// What is said of an answer and of a unit.

const titleOf = ({ name }) => (name === "output" ? "Output" : name.toUpperCase());

const extentOf = ({ maps, side }, times = "×") => (side > 1 ? `${maps} maps of ${side} ${times} ${side}` : `${maps} units`);

const placeIn = ({ name, unit: [map, row, column] }) =>
  `${titleOf({ name })}, ${BY_NAME[name].side === 1 ? `unit ${map}` : `map ${map}, row ${row}, column ${column}`}: `;

/** The answer, and what is to be doubted about it. */
function verdictOn({ probabilities, empty }) {
  const ranking = DIGITS.map((_, digit) => digit).sort((a, b) => probabilities[b] - probabilities[a]);
  const [first, second] = ranking.map((digit) => `${DIGITS[digit]} ${inPercent(probabilities[digit])}`);
  if (empty) return ["Nothing drawn yet.", `The network still says ${first}: it has no unit for “none”.`];
  const most = probabilities[ranking[0]];
  if (most < 0.6) return ["Unsure.", `${capital(first)} or ${second}.`];
  return [`${capital(DIGITS[ranking[0]])}.`, `${inPercent(most)}, then ${second}.`];
}

const valueText = ({ probabilities }, { name, unit, value }) =>
  (name === "output" ? inPercent(probabilities[unit[0]]) : format(value, 3));

/** How the unit comes to its value. */
function reasonFor({ pooling, activation }, { name, value, before, bias, window: read, weights }) {
  if (!weights) {
    return `${pooling === "max" ? "The largest" : "The mean"} of ${read.map((number) => format(number, 2)).join(", ")}.`;
  }
  const sum = `${read.length} products sum to ${format(before - bias, 3)}, ` +
    `and the bias ${format(bias, 3)} makes it ${format(before, 3)}`;
  if (name === "output") return `${sum}; softmax weighs that against the other nine.`;
  if (activation !== "relu") return `${sum}; tanh makes it ${format(value, 3)}.`;
  return before > 0 ? `${sum}; ReLU lets it pass.` : `${sum}; ReLU makes it 0.`;
}

/** What a layer does, by name. */
function kindsOf({ activation, pooling }) {
  const act = activation === "relu" ? "ReLU" : activation;
  const pools = pooling === "max" ? "the largest of each 2×2" : "the mean of each 2×2";
  return {
    c1: `5×5 kernels, ${act}`, s2: pools, c3: `5×5 kernels over all 6 maps, ${act}`, s4: pools,
    c5: `5×5 kernels over all 16 maps, ${act}`, f6: `all 120 units, ${act}`,
  };
}
