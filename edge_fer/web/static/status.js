// How the daemon is doing: chips for what it is connected to, and where the time of a frame goes.

import { element, say } from "./dom.js";
import { STRINGS } from "./strings.js";

export class StatusView {
  #chips;
  #speed;
  #fps = element("span", "figure-value");
  #latency = element("span", "figure-value");
  #temperature = element("span", "figure-value");
  #ribbon = element("div", "ribbon");
  #legend = element("ul", "legend");

  constructor({ chips, speed }) {
    this.#chips = new Map(
      ["camera", "model", "broker", "detector"].map((what) => {
        const chip = new Chip(STRINGS[what]);
        chips.append(chip.node);
        return [what, chip];
      }),
    );
    this.#speed = speed;
    this.#ribbon.setAttribute("aria-hidden", "true");
    const stages = element("div", "stages");
    stages.append(this.#ribbon, this.#legend);
    const temperature = figure(STRINGS.temperature, this.#temperature);
    speed.append(figure(STRINGS.fps, this.#fps), figure(STRINGS.latency, this.#latency), temperature, stages);
    speed.hidden = true;
  }

  show(status) {
    this.#chips.get("camera").show(status.camera.name, connection(status.paused ? null : status.camera.online));
    this.#chips.get("broker").show(status.broker.online === null ? STRINGS.off : status.broker.name, connection(status.broker.online));
    this.#chips.get("model").show(status.model, "plain");
    this.#chips.get("detector").show(status.detector, "plain");
    const stages = Object.entries(status.latency_ms);
    say(this.#fps, status.fps.toFixed(1));
    say(this.#latency, STRINGS.milliseconds(stages.reduce((sum, [, value]) => sum + value, 0)));
    this.#temperature.parentNode.hidden = status.temperature_c === null;
    if (status.temperature_c !== null) say(this.#temperature, STRINGS.degrees(status.temperature_c));
    this.#showStages(stages);
    this.#speed.hidden = false;
  }

  #showStages(stages) {
    while (this.#legend.children.length > stages.length) {
      this.#legend.lastChild.remove();
      this.#ribbon.lastChild.remove();
    }
    while (this.#legend.children.length < stages.length) {
      const item = element("li");
      item.append(element("span", "legend-name"), element("span", "legend-value"));
      this.#legend.append(item);
      this.#ribbon.append(element("span"));
    }
    stages.forEach(([stage, value], at) => {
      const item = this.#legend.children[at];
      say(item.firstChild, stage);
      say(item.lastChild, STRINGS.milliseconds(value));
      this.#ribbon.children[at].style.flexGrow = value;
    });
  }
}

const connection = (online) => (online === null ? "off" : online ? "online" : "lost");

function figure(name, value) {
  const made = element("p", "figure");
  made.append(value, element("span", "figure-name", name));
  return made;
}

class Chip {
  #what;
  #value = element("span", "chip-value");
  #state = element("span", "only-spoken");

  constructor(what) {
    this.#what = element("span", "chip-what", what);
    this.node = element("li", "chip");
    this.node.hidden = true;
    this.node.append(element("span", "chip-dot"), this.#what, this.#value, this.#state);
  }

  show(value, state) {
    this.node.hidden = false;
    this.node.dataset.state = state;
    say(this.#value, value);
    say(this.#state, state === "plain" || value === STRINGS[state] ? "" : STRINGS[state]);
  }
}
