// What is said of a token's attention and of the answer.

const share = (weight) => inPercent(weight).replaceAll(" ", "\u00a0"); // stays in one line

const calledToken = (token) => (token === 0 ? "the class token" : `patch (${patchOf(token).join(",\u00a0")})`);
const headName = ({ layer, head }) => `${head === "mean" ? "Mean of the heads" : `Head ${head}`} of layer ${layer}`;

/** Whom a token looks at most. */
function gazeOf({ row, token, ...place }) {
  const ranking = [...row.keys()].sort((a, b) => row[b] - row[a]).slice(0, 3);
  const [first, ...others] = ranking.map((other) => [share(row[other]), other === token ? "itself" : calledToken(other)]);
  const [second, third] = others.map(([weight, name]) => `${weight} to ${name}`);
  return `${headName(place)}: ${calledToken(token)} gives ${first[0]} of its attention to ${first[1]}, ` +
    `${second} and ${third}.`;
}

/** How wide it looks, and how far. */
function extentOf({ row, token }) {
  const spread = `Its weights are spread as over ${format(spreadOf(row), 1)} equal ones of ${TOKENS}`;
  if (token === 0) return `${spread}. The class token has no place.`;
  const even = distanceOf(new Float64Array(TOKENS).fill(1), token);
  return `${spread}; the patches it looks at are ${format(distanceOf(row, token), 1)} patches away on average, ` +
    `where a plain mean gives ${format(even, 1)}.`;
}

/** The answer, and what is to be doubted about it. */
function verdictOn(probabilities) {
  const ranking = CLASSES.map((_, label) => label).sort((a, b) => probabilities[b] - probabilities[a]);
  const [first, second] = ranking.map((label) => `${CLASSES[label]} ${share(probabilities[label])}`);
  if (probabilities[ranking[0]] < 0.5) return ["Unsure.", `${first} or ${second}.`];
  return [`${CLASSES[ranking[0]]}.`, `${share(probabilities[ranking[0]])}, then ${second}.`];
}

const ROLLOUT = "R = Ã₆ Ã₅ ⋯ Ã₁ with Ã = ½ (mean of heads + 1)";
const ROLLOUT_WORDS = "The row of the class token in the product of all layers. The 1 stands for the shortcut.";
const WEIGHTS_WORDS = "Blue is weight; the picture shines through in gray.";
const MAPS_WORDS = "One scale for all maps: plain is 0, full color 40 % and more.";
