// A small drawn face per emotion, so that colour is never the only sign.

import { svg } from "./dom.js";

const DRAWINGS = {
  angry: { brows: "M6.5 7.4 10 8.9M17.5 7.4 14 8.9", mouth: "M8.5 16.8Q12 14.4 15.5 16.8" },
  disgust: { brows: "M6.5 8.5 10 8.5M17.5 7 14 8.3", mouth: "M8 15.6Q10 14.6 12 16T16 15" },
  fear: { brows: "M6.5 7.8Q8 6.4 10 6.3M17.5 7.8Q16 6.4 14 6.3", mouth: "M8 16.2 9.6 15 11.2 16.2 12.8 15 14.4 16.2 16 15" },
  happy: { brows: "M6.8 7.6Q8.5 6.5 10 7.4M17.2 7.6Q15.5 6.5 14 7.4", mouth: "M7.5 14.2Q12 19.2 16.5 14.2" },
  sad: { brows: "M6.5 8.6 10 7.2M17.5 8.6 14 7.2", mouth: "M8.2 16.9Q12 13.6 15.8 16.9" },
  surprise: { brows: "M6.6 6.7Q8.5 5.2 10.2 6.4M17.4 6.7Q15.5 5.2 13.8 6.4", mouth: "M10.2 16a1.8 2 0 1 0 3.6 0a1.8 2 0 1 0-3.6 0" },
  neutral: { brows: "", mouth: "M8.5 15.8H15.5" },
  uncertain: { brows: "", mouth: "M10 15.8H14" },
};

export class Expression {
  #brows = svg("path", {});
  #mouth = svg("path", {});

  constructor() {
    this.node = svg("svg", { class: "expression", viewBox: "0 0 24 24", "aria-hidden": "true" });
    this.node.append(
      svg("circle", { class: "expression-skin", cx: 12, cy: 12, r: 10.5 }),
      svg("circle", { class: "expression-eye", cx: 8.6, cy: 10.7, r: 1.2 }),
      svg("circle", { class: "expression-eye", cx: 15.4, cy: 10.7, r: 1.2 }),
      this.#brows,
      this.#mouth,
    );
  }

  show(emotion) {
    const { brows, mouth } = DRAWINGS[emotion] ?? DRAWINGS.uncertain;
    this.#brows.setAttribute("d", brows);
    this.#mouth.setAttribute("d", mouth);
  }
}
