// What values can be: the checks of explorer.py, for what an address says. A check gets a value and the state around it
// and returns what the value must be, in words, or "" if it is that.

const must = (words, holds) => (value, state) => (holds(value, state) ? "" : words);
const isWhole = (value, low, high) => Number.isInteger(value) && value >= low && value <= high;
const isNumber = (value, low, high) => typeof value === "number" && value >= low && value <= high;
const isPlain = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

const legal = {
  whole: (low, high) => must(`a whole number from ${low} to ${high}`, (value) => isWhole(value, low, high)),
  number: (low, high) => must(`a number from ${format(low)} to ${format(high)}`, (value) => isNumber(value, low, high)),
  flag: must("true or false", (value) => typeof value === "boolean"),

  /** One of a list, or of the list that belongs to a state. */
  oneOf: (allowed) => (value, state) => {
    const listed = typeof allowed === "function" ? allowed(state) : allowed;
    if (listed.includes(value)) return "";
    return listed.length > 8 ? "one of those that are offered" : `one of ${listed.join(", ")}`;
  },

  /** A list, each of whose values fulfills the check for its place. */
  each: (...checks) => (value, state) =>
    (Array.isArray(value) && value.length === checks.length
      ? checks.map((check, at) => check(value[at], state)).find(Boolean) ?? ""
      : `a list of ${checks.length}`),

  /** Indices of a value in what has the sizes that belong to a state. */
  index: (sizesOf) => (value, state) => {
    const sizes = sizesOf(state);
    const inside = Array.isArray(value) && value.length === sizes.length && value.every((at, axis) => isWhole(at, 0, sizes[axis] - 1));
    return inside ? "" : `${sizes.length} whole numbers within ${sizes.join(" × ")}`;
  },

  /** Null, or what fulfills the check. */
  orNull: (check) => (value, state) => (value === null ? "" : check(value, state)),
};
