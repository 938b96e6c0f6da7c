// Groups: which input channels feed which output channels, and what that makes of the weights.

const CHANNELS = [1, 4096];
const MOST_CELLS = 64; // channels in a row that are drawn one by one
const MOST_LINES = 512;
const MOST_GROUPS = 24;

// --- arithmetic ---------------------------------------------------------------------------------------------

/** The numbers of groups that divide both. */
function legalGroups(channelsIn, channelsOut) {
  const most = Math.min(channelsIn, channelsOut);
  return Array.from({ length: most }, (_, index) => index + 1)
    .filter((count) => channelsIn % count === 0 && channelsOut % count === 0);
}

/** The group of an output channel, and the first and last input channel that it reads. */
function feedersOf(channel, channelsIn, channelsOut, groups) {
  const group = Math.floor(channel / (channelsOut / groups));
  const each = channelsIn / groups;
  return { group, first: group * each, last: (group + 1) * each - 1 };
}

/** The shape of the weight in torch; the transposed one has the input channels first. */
function weightShape({ view, kernel }, channelsIn, channelsOut, groups) {
  const channels = view === "forward" ? [channelsOut, channelsIn / groups] : [channelsIn, channelsOut / groups];
  return [...channels, onAxis(kernel, 0), onAxis(kernel, 1)];
}

// --- what is said -------------------------------------------------------------------------------------------

/** "channel 4", "channels 4 to 7" */
const channelRange = (first, last) => (first === last ? `channel ${first}` : `channels ${first} to ${last}`);

/** Which numbers of groups are legal, and why another one is not. */
function groupsRemark(channelsIn, channelsOut) {
  const legal = legalGroups(channelsIn, channelsOut);
  const other = Array.from({ length: Math.max(channelsIn, channelsOut) }, (_, index) => index + 1).find((count) => !legal.includes(count));
  const texts = legal.length > 9 ? `${legal.slice(0, 7).join(", ")}, … ${legal.at(-1)}` : listed(legal);
  const rule = `Groups must divide channels in and channels out, ${channelsIn} and ${channelsOut}: ${texts}.`;
  if (!other) return rule;
  const [count, kind] = channelsIn % other ? [channelsIn, "in"] : [channelsOut, "out"];
  return `${rule} ${other} cannot be: ${count} channels ${kind} do not make ${other} equal groups.`;
}

/** What reads what. */
function feedingOn({ channel, channelsIn, channelsOut, groups }) {
  const { group, first, last } = feedersOf(channel, channelsIn, channelsOut, groups);
  if (groups === 1) return `Output channel ${channel} reads every input channel, as all output channels do.`;
  const kind = groups === channelsIn ? " Depthwise: no two input channels meet." : "";
  return `Output channel ${channel} is in group ${group} of ${groups} and reads input ${channelRange(first, last)} alone.${kind}`;
}

/** What the groups make of the weights, against one group. */
function weighingOn({ channelsIn, channelsOut, groups }, settings, { weights, multiplyAdds }) {
  const shape = (count) => `(${weightShape(settings, channelsIn, channelsOut, count).join(", ")})`;
  const own = `Weight ${shape(groups)}: ${plural(weights, "parameter")}, ${plural(multiplyAdds, "multiply-add")}`;
  if (groups === 1) return `${own}.`;
  return `${own}; in one group ${shape(1)}: ${plural(weights * groups, "parameter")}, ` +
    `${plural(multiplyAdds * groups, "multiply-add")}, ${groups} times as many.`;
}

// --- what is painted ----------------------------------------------------------------------------------------

/** Groups that are drawn: the first of them, and how many. Where there are too many, those around the chosen one. */
function groupsDrawn({ channelsIn, channelsOut, groups, channel }) {
  const { group } = feedersOf(channel, channelsIn, channelsOut, groups);
  const count = Math.min(groups, MOST_GROUPS);
  return [clamp(group - (count >> 1), 0, groups - count), count];
}

/** Channels in a row, or one bar where they are too many; `marked`, one of them. */
function paintChannels({ context, ratio, palette }, [x, y, width, height], count, color, marked = null) {
  for (let index = 0; index < count; index += 1) {
    const box = [x + (index * width) / count, y, width / count, height];
    context.fillStyle = css(index === marked ? palette.mark : color);
    context.fillRect(...box);
    context.strokeStyle = css(palette.surface);
    context.lineWidth = ratio;
    context.strokeRect(...box);
  }
}

/** From every input channel of a group to every output channel, those to the `fed` one stronger. */
function paintWires({ context, ratio, palette }, [x, y, width, height], down, up, color, fed) {
  for (let o = 0; o < up; o += 1) {
    context.beginPath();
    for (let c = 0; c < down; c += 1) {
      context.moveTo(x + ((c + 0.5) * width) / down, y);
      context.lineTo(x + ((o + 0.5) * width) / up, y + height);
    }
    context.strokeStyle = css(o === fed ? palette.ink : color);
    context.lineWidth = (o === fed ? 1.75 : 1) * ratio;
    context.stroke();
  }
}

/** Input channels above, output channels below, and between them what feeds what; the group of one in color. */
function paintGroups(sheet, channels) {
  const { context, width, height, ratio, palette: { surface, ink, muted, positive, mark } } = sheet;
  const { channelsIn, channelsOut, groups, channel } = channels;
  const [first, drawn] = groupsDrawn(channels);
  const [down, up] = [channelsIn / groups, channelsOut / groups];
  const gap = drawn > 1 ? 4 * ratio : 0;
  const each = (width - 2 * ratio - (drawn - 1) * gap) / drawn;
  const [thick, top] = [16 * ratio, ratio];
  const bottom = height - thick - ratio;
  const single = [down, up].map((count) => count * drawn <= MOST_CELLS);
  const wired = single.every(Boolean) && down * up * drawn <= MOST_LINES;
  for (let index = 0; index < drawn; index += 1) {
    const x = ratio + index * (each + gap);
    const within = channel - (first + index) * up;
    const own = within >= 0 && within < up;
    const between = [x, top + thick, each, bottom - top - thick];
    if (wired) paintWires(sheet, between, down, up, own ? mix(surface, mark, 0.55) : mix(surface, muted, 0.45), own ? within : null);
    else {
      context.fillStyle = css(mix(surface, own ? mark : muted, 0.3));
      context.fillRect(x, between[1] + 3 * ratio, each, between[3] - 6 * ratio);
    }
    paintChannels(sheet, [x, top, each, thick], single[0] ? down : 1, own ? mix(surface, mark, 0.75) : mix(surface, ink, 0.25));
    paintChannels(sheet, [x, bottom, each, thick], single[1] ? up : 1, mix(surface, positive, own ? 0.75 : 0.42),
      !own ? null : single[1] ? within : 0);
  }
}

/** The output channel at a share of the drawing's width. */
function channelAt(share, channels) {
  const [first, drawn] = groupsDrawn(channels);
  const up = channels.channelsOut / channels.groups;
  return first * up + clamp(Math.floor(share * drawn * up), 0, drawn * up - 1);
}

// --- what is used -------------------------------------------------------------------------------------------

/** The part of the explorer below the costs, folded at first. */
class Grouping {
  /** `read()` → { channelsIn, channelsOut, groups }; `write(changes)` to the model; `refresh()` asks for `show`; `say(sentence)`. */
  constructor({ read, write: keep, refresh, say, open }) {
    Object.assign(this, { read, keep, refresh, say, channel: 0, made: "" });
    this.choice = choice({
      label: make("span", {}, "Groups ", make("i", { class: "x-letter" }, "g")),
      onchange: (count) => this.setGroups({ groups: Number(count) }),
    });
    const depthwise = button("Depthwise", () => this.setDepthwise(), { title: "As many groups as channels in" });
    this.chosen = slider({ label: "Output channel", min: 0, max: 0, oninput: (channel) => this.setChannel(channel) });
    this.stage = makeStage({ label: "Input channels above, output channels below", onpoint: ([, share], event) => {
      if (isPressed(event) || event.pointerType !== "touch") this.setChannel(channelAt(share, this.shown()));
    } });
    this.feeding = make("p", { class: "x-feeding" });
    this.weighing = make("p", { class: "x-weighing" });
    this.rule = make("div", { class: "x-note" });
    this.fault = make("div", { class: "x-fault", role: "alert" });
    this.above = make("span", { class: "x-note" });
    this.element = make("details", { class: "x-groups", open, on: { toggle: refresh } },
      make("summary", {}, "Groups: which input channels feed which output channels"),
      make("div", { class: "x-group-bar" }, this.choice.element, depthwise, this.chosen.element), this.fault,
      make("div", { class: "x-wiring" }, this.above, this.stage.stage,
        make("span", { class: "x-note" }, "Channels out")),
      this.feeding, this.weighing, this.rule);
  }

  setGroups(changes, fault = "") {
    this.keep(changes);
    this.fault.textContent = fault;
  }

  /** As many groups as input channels, and the nearest number of output channels with which that can be. */
  setDepthwise() {
    const { channelsIn: C, channelsOut: O } = this.read();
    const out = C * clamp(Math.round(O / C), 1, Math.floor(CHANNELS[1] / C));
    const fault = `Channels out is ${out} now: ${O} channels do not make ${plural(C, "equal group")}.`;
    this.setGroups({ groups: C, out_channels: out }, out === O ? "" : fault);
  }

  setChannel(channel) {
    this.channel = channel;
    this.say(feedingOn(this.shown()));
    this.refresh();
  }

  shown() {
    const channels = this.read();
    return { ...channels, channel: Math.min(this.channel, channels.channelsOut - 1) };
  }

  show(settings, cost, sheet, look) {
    if (!this.element.open) return;
    const channels = this.shown();
    const { channelsIn, channelsOut, groups, channel } = channels;
    const made = JSON.stringify([channels, cost, settings, look]);
    if (made === this.made) return;
    this.made = made;
    this.choice.offer(legalGroups(channelsIn, channelsOut).map((count) =>
      [count, count === channelsIn && count > 1 ? `${count}, depthwise` : String(count)]));
    this.choice.show(groups);
    this.chosen.show(channel, channelsOut - 1);
    this.rule.textContent = groupsRemark(channelsIn, channelsOut);
    this.feeding.textContent = feedingOn(channels);
    const [first, drawn] = groupsDrawn(channels);
    this.above.textContent = `Channels in${drawn < groups ? `, of groups ${first} to ${first + drawn - 1}` : ""}`;
    this.weighing.textContent = weighingOn(channels, settings, cost);
    paintGroups(sheet(this.stage.picture), channels);
  }
}
