// What the page asks of the daemon, beside pictures and the stream of states.

import { STRINGS } from "./strings.js";

const TIMEOUT_MS = 5000;
const TOKEN_HEADER = "x-edge-fer-token";

const ask = (path, options = {}) => fetch(path, { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS), ...options });

// Each gives null, or a sentence that says what went wrong.

export const command = (name) =>
  problem(async () => {
    const { token } = await (await ask("/api/session")).json();
    return ask(`/api/commands/${name}`, { method: "POST", headers: { [TOKEN_HEADER]: token } });
  });

export const login = (password) =>
  problem(() => ask("/api/login", { method: "POST", body: JSON.stringify({ password }) }));

export const logout = () => problem(() => ask("/api/logout", { method: "POST" }));

// Null where the daemon is out of reach or wants a password first.
async function fetched(path) {
  try {
    const answer = await ask(path);
    return answer.ok ? await answer.json() : null;
  } catch (error) {
    return outOfReach(error);
  }
}

export const session = () => fetched("/api/session");

export const history = () => fetched("/api/history");

// Whether the daemon is there, but wants a password first.
export async function isLocked() {
  try {
    return (await ask("/api/session")).status === 401;
  } catch (error) {
    return Boolean(outOfReach(error));
  }
}

async function problem(attempt) {
  try {
    const answer = await attempt();
    return answer.ok ? null : (await answer.json()).error;
  } catch (error) {
    return outOfReach(error) ?? STRINGS.unreachable;
  }
}

function outOfReach(error) {
  if (error instanceof TypeError || error instanceof DOMException) return null;
  throw error;
}
