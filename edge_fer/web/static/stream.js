// The state, as the daemon sends it: connects, and connects again, for as long as somebody looks.

const SILENCE_MS = 6000; // the daemon says something every two seconds, news or not
const RETRY_MS = 2000;

export class Stream {
  #source = null;
  #timer = 0;
  #onState;
  #onLost;
  #onStopped;

  constructor({ onState, onLost, onStopped }) {
    this.#onState = onState;
    this.#onLost = onLost;
    this.#onStopped = onStopped;
  }

  start() {
    // A hidden page holds no connection: browsers allow only six to one host, and the daemon may rest.
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#close() : this.#open()));
    if (!document.hidden) this.#open();
  }

  #open() {
    this.#close();
    const source = new EventSource("/api/events");
    source.onmessage = (event) => {
      this.#wait(SILENCE_MS);
      this.#onState(JSON.parse(event.data));
    };
    source.addEventListener("stopped", () => this.#onStopped());
    source.onerror = () => {
      this.#onLost();
      // After a broken connection the browser tries again by itself, after a refused one it does not.
      if (source.readyState === EventSource.CLOSED) this.#wait(RETRY_MS);
    };
    this.#source = source;
    this.#wait(SILENCE_MS);
  }

  #close() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
  }

  #wait(milliseconds) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#onLost();
      this.#open();
    }, milliseconds);
  }
}
