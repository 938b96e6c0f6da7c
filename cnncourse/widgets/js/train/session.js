// Training in the background: one or two runs, stepped in turn in slices of time, between which messages are heard.
// The same code works in a worker and, where there can be none, on the page.

class Session {
  /** `post(report)` is told what has happened, at most every `pause` ms; a slice of work takes about `slice` ms. */
  constructor(post, { slice, pause = 80, now = () => performance.now(), later = (work) => setTimeout(work, 0) }) {
    Object.assign(this, { post, slice, pause, now, later, runs: [], going: false, waiting: false });
  }

  hear({ digits, begin, change, look, go, step, pause }) {
    if (pause) this.pause = pause;
    if (digits) this.digits = ["train", "test"].map((split) => decodeDigits(digits, digits[split]));
    if (look !== undefined) this.digit = look;
    if (begin) {
      const [train, held] = this.digits;
      Object.assign(this, { id: begin.id, trained: 0, spent: 0 });
      this.runs = begin.settings.map((settings) => new Run({ ...settings }, train, held));
    }
    change?.forEach((settings, which) => Object.assign(this.runs[which].settings, settings));
    if (step) this.advance();
    if (go !== undefined) this.going = go;
    this.report(step);
    this.proceed();
  }

  get over() {
    return this.runs.every((run) => run.over);
  }

  advance() {
    const from = this.now();
    for (const run of this.runs) {
      const before = run.step;
      run.next();
      this.trained += (run.step - before) * run.n;
    }
    this.spent += this.now() - from;
  }

  /** A slice of steps, a report if one is due, and the next slice once messages have been heard. */
  proceed() {
    if (!this.going || this.waiting) return;
    this.waiting = true;
    this.later(() => {
      this.waiting = false;
      if (!this.going) return;
      const end = this.now() + this.slice;
      do this.advance(); while (!this.over && this.now() < end);
      if (this.over) this.going = false;
      if (this.over || this.now() >= this.due) this.report();
      this.proceed();
    });
  }

  /** What is new since the last report; after a single step the held-out digits are asked, too. */
  report(measured = false) {
    const runs = this.runs.map((run) => {
      if (measured && run.measured !== run.step) run.measure();
      const { step, steps, perEpoch, diverged, rate, dead } = run;
      const [losses, points] = [run.losses.splice(0), run.points.splice(0)];
      const inside = run.look(this.digit);
      const gradients = step ? run.gradients() : null;
      return { step, steps, perEpoch, diverged, rate, dead, losses, points, gradients, ...inside };
    });
    this.due = this.now() + this.pause;
    const speed = this.spent ? (1000 * this.trained) / this.spent : null;
    this.post({ id: this.id, going: this.going, over: this.over, speed, runs });
  }
}

/** What a worker runs, as text: the declarations above and an ear. */
function workerText() {
  const parts = [
    room, multiply, Parameter, Conv2d, Linear, addTo, sumOver, BatchNorm, activate, slopes, Activation, MaxPool2d,
    generator, normal, shuffled, deviation, Network, crossEntropy, scheduled, updater, decodeDigits, Run, Session,
  ];
  return `${parts.join("\n")}
    const session = new Session((report) => postMessage(report), { slice: 60 });
    onmessage = ({ data }) => session.hear(data);`;
}

/** Somebody who trains: a worker, or, where a page can have none, a session of its own in slices of 10 ms. */
class Laborer {
  constructor(post) {
    this.post = post;
    this.said = []; // until the worker has answered: should it fail to start, the session on the page hears it all
    try {
      const address = URL.createObjectURL(new Blob([workerText()], { type: "text/javascript" }));
      this.worker = new Worker(address);
      this.worker.onmessage = ({ data }) => {
        this.said = null;
        post(data);
      };
      this.worker.onerror = () => this.stayHere();
      URL.revokeObjectURL(address);
    } catch {
      this.stayHere();
    }
  }

  stayHere() {
    if (this.said === null) return;
    this.worker?.terminate();
    this.worker = null;
    this.session = new Session(this.post, { slice: 10 });
    for (const message of this.said.splice(0)) this.session.hear(message);
  }

  tell(message) {
    if (this.session) this.session.hear(message);
    else {
      this.said?.push(message);
      this.worker.postMessage(message);
    }
  }

  end() {
    this.worker?.terminate();
    if (this.session) this.session.going = false;
  }
}
