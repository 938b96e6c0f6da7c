// The landscapes: those of cnncourse.scratch.

const beale = (x, y) => [1.5 - x + x * y, 2.25 - x + x * y * y, 2.625 - x + x * y * y * y];

const SURFACES = {
  bowl: {
    title: "Bowl",
    formula: "(x² + y²) / 2",
    height: (x, y) => (x * x + y * y) / 2,
    slope: (x, y) => [x, y],
    minima: [[0, 0]],
    least: 0,
    window: [[-2, 2], [-2, 2]],
    start: [-1.5, 1],
  },
  ravine: {
    title: "Ravine",
    formula: "(x² + 50y²) / 2",
    height: (x, y) => (x * x + 50 * y * y) / 2,
    slope: (x, y) => [x, 50 * y],
    minima: [[0, 0]],
    least: 0,
    window: [[-2, 2], [-2, 2]],
    start: [-1.8, 0.6],
  },
  saddle: {
    title: "Saddle",
    formula: "x² − y² + y⁴/2",
    height: (x, y) => x * x - y * y + (y * y * y * y) / 2,
    slope: (x, y) => [2 * x, 2 * y * y * y - 2 * y],
    minima: [[0, 1], [0, -1]],
    least: -0.5,
    window: [[-2, 2], [-2, 2]],
    start: [-1.5, 0.001],
  },
  rosenbrock: {
    title: "Rosenbrock’s valley",
    formula: "(1 − x)² + 100(y − x²)²",
    height: (x, y) => {
      const [a, b] = [1 - x, y - x * x];
      return a * a + 100 * b * b;
    },
    slope: (x, y) => {
      const [a, b] = [1 - x, y - x * x];
      return [-2 * a - 400 * x * b, 200 * b];
    },
    minima: [[1, 1]],
    least: 0,
    window: [[-2, 2], [-1, 3]],
    start: [0, 0],
  },
  beale: {
    title: "Beale’s plain",
    formula: "(1.5 − x + xy)² + (2.25 − x + xy²)² + (2.625 − x + xy³)²",
    height: (x, y) => {
      const [a, b, c] = beale(x, y);
      return a * a + b * b + c * c;
    },
    slope: (x, y) => {
      const [a, b, c] = beale(x, y);
      return [
        2 * a * (y - 1) + 2 * b * (y * y - 1) + 2 * c * (y * y * y - 1),
        2 * a * x + 4 * b * x * y + 6 * c * x * y * y,
      ];
    },
    minima: [[3, 0.5]],
    least: 0,
    window: [[-4.5, 4.5], [-4.5, 4.5]],
    start: [1, 1.5],
  },
  himmelblau: {
    title: "Himmelblau’s valleys",
    formula: "(x² + y − 11)² + (x + y² − 7)²",
    height: (x, y) => {
      const [a, b] = [x * x + y - 11, x + y * y - 7];
      return a * a + b * b;
    },
    slope: (x, y) => {
      const [a, b] = [x * x + y - 11, x + y * y - 7];
      return [4 * a * x + 2 * b, 2 * a + 4 * b * y];
    },
    minima: [
      [3, 2],
      [-2.805118086952745, 3.131312518250573],
      [-3.779310253377747, -3.2831859912861696],
      [3.5844283403304917, -1.8481265269644036],
    ],
    least: 0,
    window: [[-6, 6], [-6, 6]],
    start: [0, 0],
  },
};

function distance(surface, [x, y]) {
  return Math.min(...surface.minima.map((minimum) => Math.hypot(x - minimum[0], y - minimum[1])));
}

