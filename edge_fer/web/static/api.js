// What the page asks of the daemon, beside pictures and the stream of states.

import { STRINGS } from "./strings.js";

const TIMEOUT_MS = 5000;
const TOKEN_HEADER = "x-edge-fer-token";

const ask = (path, options = {}) => fetch(path, { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS), ...options });

// Gives null, or a sentence that says what went wrong.
export async function command(name) {
  try {
    const { token } = await (await ask("/api/session")).json();
    const answer = await ask(`/api/commands/${name}`, { method: "POST", headers: { [TOKEN_HEADER]: token } });
    return answer.ok ? null : (await answer.json()).error;
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof DOMException)) throw error;
    return STRINGS.unreachable;
  }
}
