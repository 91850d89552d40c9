// The scores of one face over the last minutes, stacked: the taller a colour, the surer its emotion.

import { element, svg } from "./dom.js";
import { STRINGS } from "./strings.js";

const SPAN_S = 180;
const STEP_S = 0.5;
const GAP_S = 1.5; // a longer silence is shown as one

export class Timeline {
  #samples = [];
  #paths = new Map();
  #plot = svg("svg", { class: "timeline-plot", viewBox: `0 0 ${SPAN_S} 1`, preserveAspectRatio: "none", role: "img" });

  constructor(track) {
    this.#plot.setAttribute("aria-label", STRINGS.timeline(track));
    const scale = element("p", "timeline-scale");
    scale.setAttribute("aria-hidden", "true");
    scale.append(element("span", "", STRINGS.timelineStart), element("span", "", STRINGS.timelineEnd));
    this.node = element("div", "timeline");
    this.node.append(this.#plot, scale);
  }

  // What the daemon remembers takes the place of what was seen here, which may have gaps.
  restore(samples, now_s) {
    this.#samples = samples;
    if (samples.length) this.#draw(now_s);
  }

  add(time_s, scores) {
    const last = this.#samples.at(-1);
    if (last && time_s - last.time_s < STEP_S) return;
    this.#samples.push({ time_s, scores });
    while (this.#samples[0].time_s < time_s - SPAN_S - GAP_S) this.#samples.shift();
    this.#draw(time_s);
  }

  #draw(now_s) {
    const runs = unbroken(this.#samples);
    const outlines = new Map(Object.keys(this.#samples.at(-1).scores).map((label) => [label, ""]));
    for (const run of runs) {
      const floors = run.map(() => 1);
      for (const label of outlines.keys()) {
        const lower = run.map(({ time_s }, at) => point(time_s - now_s, floors[at]));
        run.forEach(({ scores }, at) => (floors[at] -= scores[label] ?? 0));
        const upper = run.map(({ time_s }, at) => point(time_s - now_s, floors[at]));
        outlines.set(label, `${outlines.get(label)}M${lower.join("L")}L${upper.reverse().join("L")}Z`);
      }
    }
    for (const [label, outline] of outlines) this.#path(label).setAttribute("d", outline);
  }

  #path(label) {
    if (!this.#paths.has(label)) {
      const path = svg("path", { "data-emotion": label });
      this.#plot.append(path);
      this.#paths.set(label, path);
    }
    return this.#paths.get(label);
  }
}

const point = (age_s, height) => `${(SPAN_S + age_s).toFixed(2)} ${height.toFixed(3)}`;

function unbroken(samples) {
  const runs = [];
  samples.forEach((sample, at) => {
    if (at === 0 || sample.time_s - samples[at - 1].time_s > GAP_S) runs.push([]);
    runs.at(-1).push(sample);
  });
  return runs;
}
