// A card per face: what it shows, how sure that is, all scores as bars, and the last minutes.

import { element, say } from "./dom.js";
import { Expression } from "./expression.js";
import { STRINGS } from "./strings.js";
import { Timeline } from "./timeline.js";

const FAREWELL_S = 4; // a face that is lost for a moment keeps its card
const SPEAK_EVERY_S = 3;

export class Faces {
  #title;
  #list;
  #nobody;
  #spoken;
  #cards = new Map();
  #news = new Map();
  #spoke_s = 0;
  #past = new Map();

  constructor({ title, list, nobody, spoken }) {
    this.#title = title;
    this.#list = list;
    this.#nobody = nobody;
    this.#spoken = spoken;
    this.show([], 0);
  }

  // Another daemon counts its tracks from the beginning.
  forget() {
    for (const card of this.#cards.values()) card.node.remove();
    this.#cards.clear();
    this.#news.clear();
    this.#past.clear();
  }

  // The last minutes as the daemon remembers them, for faces that are here and those that come back.
  remember(history, now_s) {
    this.#past = new Map(history.faces.map((face) => [face.track, samples(face, now_s)]));
    for (const [track, card] of this.#cards) card.restore(this.#past.get(track) ?? [], now_s);
  }

  show(faces, now_s) {
    for (const face of faces) {
      let card = this.#cards.get(face.track);
      if (!card) {
        card = new Card(face.track);
        card.restore(this.#past.get(face.track) ?? [], now_s);
        this.#cards.set(face.track, card);
        this.#list.append(card.node);
      }
      if (card.emotion !== face.emotion) this.#news.set(face.track, STRINGS.spoken(face.track, face.emotion));
      card.show(face, now_s);
    }
    for (const [track, card] of this.#cards) {
      if (card.seen_s === now_s) continue;
      if (card.leave()) this.#news.set(track, STRINGS.spokenGone(track));
      if (now_s - card.seen_s > FAREWELL_S) {
        card.node.remove();
        this.#cards.delete(track);
      }
    }
    say(this.#title, STRINGS.faces(faces.length));
    this.#nobody.hidden = this.#cards.size > 0;
    this.#speak(now_s);
  }

  #speak(now_s) {
    if (!this.#news.size || now_s - this.#spoke_s < SPEAK_EVERY_S) return;
    this.#spoke_s = now_s;
    say(this.#spoken, [...this.#news.values()].join(". "));
    this.#news.clear();
  }
}

const samples = ({ age_s, scores }, now_s) =>
  age_s.map((age, at) => ({
    time_s: now_s - age,
    scores: Object.fromEntries(Object.entries(scores).map(([label, values]) => [label, values[at]])),
  }));

class Card {
  emotion = null;
  seen_s = 0;
  #expression = new Expression();
  #emotion = element("strong", "card-emotion");
  #confidence = element("span", "card-confidence");
  #since = element("span", "card-since");
  #bars = element("ul", "bars");
  #meters = new Map();
  #timeline;

  constructor(track) {
    this.node = element("li", "card");
    this.node.dataset.track = track;
    const name = element("h3", "card-name", STRINGS.face(track));
    const head = element("div", "card-head");
    head.append(this.#expression.node, name, this.#since, this.#emotion, this.#confidence);
    this.#timeline = new Timeline(track);
    this.node.append(head, this.#bars, this.#timeline.node);
  }

  show(face, now_s) {
    this.seen_s = now_s;
    this.node.classList.remove("gone");
    if (this.emotion !== face.emotion) {
      this.emotion = face.emotion;
      this.node.dataset.emotion = face.emotion;
      this.#expression.show(face.emotion);
      say(this.#emotion, STRINGS.emotion(face.emotion));
    }
    say(this.#confidence, STRINGS.percent(face.confidence));
    say(this.#since, STRINGS.since(face.for_s));
    for (const [label, score] of Object.entries(face.scores)) this.#meter(label).show(score);
    this.#timeline.add(now_s, face.scores);
  }

  restore(samples, now_s) {
    this.#timeline.restore(samples, now_s);
  }

  // Says whether that is news.
  leave() {
    if (this.node.classList.contains("gone")) return false;
    this.node.classList.add("gone");
    say(this.#since, STRINGS.gone);
    return true;
  }

  #meter(label) {
    let meter = this.#meters.get(label);
    if (!meter) {
      meter = new Meter(label);
      this.#meters.set(label, meter);
      this.#bars.append(meter.node);
    }
    return meter;
  }
}

class Meter {
  #fill = element("span", "bar-fill");
  #value = element("span", "bar-value");
  #track = element("span", "bar-track");

  constructor(label) {
    this.node = element("li", "bar");
    this.node.dataset.emotion = label;
    this.#track.setAttribute("role", "meter");
    this.#track.setAttribute("aria-label", STRINGS.emotion(label));
    this.#track.setAttribute("aria-valuemin", "0");
    this.#track.setAttribute("aria-valuemax", "100");
    this.#track.append(this.#fill);
    const name = element("span", "bar-label", STRINGS.emotion(label));
    for (const shown of [name, this.#value]) shown.setAttribute("aria-hidden", "true"); // the meter says both
    this.node.append(name, this.#track, this.#value);
  }

  show(score) {
    this.#fill.style.setProperty("--share", `${(score * 100).toFixed(1)}%`);
    this.#track.setAttribute("aria-valuenow", Math.round(score * 100));
    this.#track.setAttribute("aria-valuetext", STRINGS.percent(score));
    say(this.#value, STRINGS.percent(score));
  }
}
