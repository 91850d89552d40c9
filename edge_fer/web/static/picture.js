// The camera's picture with the boxes that belong to it.

import { element, say } from "./dom.js";
import { STRINGS } from "./strings.js";

const REMEMBERED = 30; // states kept until their picture comes
const TIMEOUT_MS = 5000;

export class Picture {
  #stage;
  #canvas;
  #boxes;
  #states = new Map();
  #wanted = 0;
  #fetching = false;

  constructor({ stage, canvas, boxes }) {
    this.#stage = stage;
    this.#canvas = canvas;
    this.#boxes = boxes;
    this.#blank();
  }

  // Another daemon counts from the beginning.
  forget() {
    this.#states.clear();
    this.#wanted = 0;
  }

  show(state) {
    this.#stage.dataset.pictures = state.pictures;
    if (state.status.paused) this.#blank();
    if (!state.size) return;
    const [width, height] = state.size;
    this.#stage.style.setProperty("--ratio", (width / height).toFixed(4));
    const count = state.faces.length;
    this.#canvas.setAttribute(
      "aria-label",
      state.pictures ? STRINGS.picture(state.status.camera.name, count) : STRINGS.stagePrivate(count),
    );
    if (!state.pictures) {
      this.#draw(state.faces);
      return;
    }
    this.#states.set(state.seq, state);
    if (this.#states.size > REMEMBERED) this.#states.delete(this.#states.keys().next().value);
    if (state.seq > this.#wanted) {
      this.#wanted = state.seq;
      this.#fetch();
    }
  }

  // Whoever pauses does not want to be seen on.
  #blank() {
    this.forget();
    this.#canvas.width = 4;
    this.#canvas.height = 3;
    this.#canvas.setAttribute("aria-label", STRINGS.noPicture);
    this.#draw([]);
  }

  // One request at a time: a slow connection gives fewer pictures, never older ones.
  async #fetch() {
    if (this.#fetching) return;
    this.#fetching = true;
    try {
      for (let asked = 0, seq = 0; asked < this.#wanted && seq < this.#wanted; ) {
        asked = this.#wanted;
        const answer = await fetch("/picture.jpg", { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
        if (answer.status !== 200) break;
        seq = Number(answer.headers.get("picture-seq"));
        this.#paint(await createImageBitmap(await answer.blob()), seq);
      }
    } catch (error) {
      // The stream notices a lost connection and says so; the next state asks for a picture again.
      if (!(error instanceof TypeError || error instanceof DOMException)) throw error;
    } finally {
      this.#fetching = false;
    }
  }

  #paint(bitmap, seq) {
    const canvas = this.#canvas;
    const state = this.#states.get(seq) ?? this.#states.get(this.#wanted);
    if (!state) return; // paused meanwhile
    if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
      canvas.width = bitmap.width;
      canvas.height = bitmap.height;
    }
    canvas.getContext("2d", { alpha: false }).drawImage(bitmap, 0, 0);
    bitmap.close();
    canvas.dataset.seq = seq;
    this.#draw(state.faces);
  }

  #draw(faces) {
    const drawn = this.#boxes;
    while (drawn.children.length > faces.length) drawn.lastChild.remove();
    while (drawn.children.length < faces.length) drawn.append(newBox());
    faces.forEach((face, place) => placeBox(drawn.children[place], face));
  }
}

function newBox() {
  const box = element("div", "box");
  const label = element("span", "box-label");
  label.append(element("span", "box-track"), element("span"), element("span", "box-confidence"));
  box.append(label);
  return box;
}

function placeBox(box, face) {
  const [x, y, w, h] = face.box;
  box.dataset.emotion = face.emotion;
  box.dataset.track = face.track;
  box.style.left = `${x * 100}%`;
  box.style.top = `${y * 100}%`;
  box.style.width = `${w * 100}%`;
  box.style.height = `${h * 100}%`;
  const label = box.firstChild;
  label.classList.toggle("below", y < 0.12);
  label.classList.toggle("leftward", x > 0.65);
  label.classList.toggle("small", w < 0.1);
  label.classList.toggle("narrow", w < 0.25);
  const [track, emotion, confidence] = label.children;
  say(track, STRINGS.trackTag(face.track));
  say(emotion, STRINGS.emotion(face.emotion));
  say(confidence, STRINGS.percent(face.confidence));
}
