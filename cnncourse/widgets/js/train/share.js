// What of a TrainLive can be said in an address and in Python.

const oneChoice = (name) => legal.oneOf(Object.keys(CHOICES[name]));

/** Setting → what is legal for it, its first value. */
const sharedSettings = () => ({
  lr: [legal.number(1e-4, 10), 0.01],
  batch_size: [legal.oneOf(Object.keys(CHOICES.batch_size).map(Number)), 32],
  optimizer: [oneChoice("optimizer"), "momentum"],
  momentum: [legal.number(0, 0.99), 0.9],
  schedule: [oneChoice("schedule"), "constant"],
  epochs: [legal.whole(1, 50), 15],
  initialization: [oneChoice("initialization"), "he"],
  activation: [oneChoice("activation"), "relu"],
  batch_norm: [legal.flag, false],
  seed: [legal.whole(0, 9999), 0],
});

/** One other setting of a second network. */
function whatIfFault(value) {
  const [name, ...more] = isPlain(value) ? Object.keys(value) : [];
  const settings = sharedSettings();
  if (more.length || name === "epochs" || !Object.hasOwn(settings, name)) return "one setting of a second network";
  const words = settings[name][0](value[name]);
  return words && `a second network whose ${name} is ${words}`;
}

const sharing = new Sharing("TrainLive", {
  still,
  table: () => ({
    record: "What it has learned",
    ...sharedSettings(),
    what_if: [legal.orNull(whatIfFault), null],
    digit: [legal.whole(0, 499), 7],
  }),
});
