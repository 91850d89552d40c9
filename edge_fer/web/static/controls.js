// Pause, resume, snapshot and stop. What the buttons say follows the daemon, whoever paused it.

import { command } from "./api.js";
import { element, say } from "./dom.js";
import { STRINGS } from "./strings.js";

const PATIENCE_MS = 4000; // until a button may be pressed again, if nothing came of it

export class Controls {
  #pause;
  #snapshot;
  #stop;
  #dialog;
  #failure;
  #paused = null;
  #timer = 0;

  constructor({ controls, failure, dialog }) {
    this.#failure = failure;
    this.#pause = button("control", () => this.#send(this.#paused ? "resume" : "pause"));
    this.#snapshot = element("a", "control", STRINGS.snapshot);
    this.#snapshot.href = "/picture.jpg";
    this.#snapshot.addEventListener("click", () => (this.#snapshot.download = STRINGS.snapshotName(new Date())));
    this.#stop = button("control control-stop", () => this.#dialog.showModal(), STRINGS.stop);
    controls.append(this.#pause, this.#snapshot, this.#stop);
    this.#dialog = dialog;
    this.#furnish(dialog);
    this.show(null);
  }

  // Without a state, or connection, nothing can be asked for.
  show(state) {
    const status = state?.status ?? null;
    if (!status) this.#dialog.close();
    if (status?.paused !== this.#paused) clearTimeout(this.#timer);
    const waiting = status !== null && status.paused === this.#paused && this.#timer !== 0;
    this.#paused = status ? status.paused : null;
    if (!waiting) this.#settle();
    say(this.#pause, this.#paused ? STRINGS.resume : STRINGS.pause);
    this.#pause.dataset.paused = Boolean(this.#paused);
    this.#snapshot.hidden = !state?.pictures || !state.size;
  }

  #settle() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    for (const control of [this.#pause, this.#stop]) control.disabled = this.#paused === null;
  }

  async #send(name) {
    for (const control of [this.#pause, this.#stop]) control.disabled = true;
    this.#timer = setTimeout(() => this.#settle(), PATIENCE_MS);
    const problem = await command(name);
    say(this.#failure, problem ? STRINGS.commandFailed(problem) : "");
    this.#failure.hidden = !problem;
    if (problem) this.#settle();
  }

  #furnish(dialog) {
    const title = element("h2", "dialog-title", STRINGS.stopTitle);
    title.id = "stop-title";
    dialog.setAttribute("aria-labelledby", title.id);
    const keep = button("control", () => dialog.close(), STRINGS.keepRunning);
    keep.autofocus = true;
    const stop = button("control control-danger", () => (dialog.close(), this.#send("stop")), STRINGS.stopConfirm);
    const choices = element("div", "choices");
    choices.append(keep, stop);
    dialog.append(title, element("p", "", STRINGS.stopText), element("p", "dialog-hint", STRINGS.startHint), choices);
  }
}

function button(className, onClick, text) {
  const made = element("button", className, text);
  made.type = "button";
  made.addEventListener("click", onClick);
  return made;
}
