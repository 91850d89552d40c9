// Puts the parts of the page together and keeps saying how old what they show is.

import { history, isLocked, logout, session } from "./api.js";
import { Controls } from "./controls.js";
import { say } from "./dom.js";
import { Faces } from "./faces.js";
import { Picture } from "./picture.js";
import { StatusView } from "./status.js";
import { Stream } from "./stream.js";
import { STRINGS } from "./strings.js";

const STALE_S = 2;
const GAP_S = 4; // of silence, after which the daemon is asked what happened meanwhile

const $ = (id) => document.getElementById(id);
const seconds = () => performance.now() / 1000;

for (const node of document.querySelectorAll("[data-text]")) node.textContent = STRINGS[node.dataset.text];
for (const node of document.querySelectorAll("[data-name]")) node.setAttribute("aria-label", STRINGS.names[node.dataset.name]);

const picture = new Picture({ stage: $("stage"), canvas: $("picture"), boxes: $("boxes") });
const faces = new Faces({ title: $("faces-title"), list: $("cards"), nobody: $("nobody"), spoken: $("spoken") });
const controls = new Controls({ controls: $("controls"), failure: $("failure"), dialog: $("stop-dialog") });
const status = new StatusView({ chips: $("chips"), speed: $("speed") });

let last = null; // the newest state and when it came
let missing = null; // why there is no connection: "lost" or "stopped"

function condition(age_s) {
  if (missing) return missing;
  if (!last) return "connecting";
  const { paused, camera } = last.state.status ?? {};
  if (paused) return "paused";
  if (camera && !camera.online) return camera.error ? "camera" : "opening";
  if (age_s === null) return "starting";
  return age_s > STALE_S ? "stalled" : "live";
}

function hint(now) {
  if (now === "paused") return STRINGS.pausedHint;
  if (now === "stopped") return STRINGS.stoppedHint;
  return now === "camera" ? last.state.status.camera.error : "";
}

function showAge() {
  const age_s = last && last.state.age_s !== null ? last.state.age_s + seconds() - last.at_s : null;
  const now = condition(age_s);
  document.documentElement.dataset.condition = now;
  say($("condition"), STRINGS.conditions[now]);
  say($("hint"), hint(now));
  say($("age"), age_s === null || missing === "stopped" ? "" : STRINGS.age(age_s));
}

function showState(state) {
  const known = last?.state.run === state.run;
  const news = !known || last.state.seq !== state.seq;
  if (last && !known) {
    picture.forget();
    faces.forget();
  }
  missing = null;
  if (!known || seconds() - last.at_s > GAP_S) remember();
  last = { state, at_s: seconds() };
  if (news && state.status) {
    status.show(state.status);
    say($("device"), state.status.device);
    document.title = STRINGS.title(state.status.device);
    picture.show(state);
    faces.show(state.faces, last.at_s);
  }
  $("privacy").hidden = state.pictures;
  controls.show(state);
  showAge();
}

async function remember() {
  const past = await history();
  if (past && past.run === last.state.run) faces.remember(past, seconds());
}

// A daemon that said goodbye is not merely out of reach; one that wants a password gets the login page.
async function showMissing(why) {
  if (missing !== "stopped") missing = why;
  controls.show(null);
  showAge();
  if (why === "lost" && (await isLocked())) location.replace("/login");
}

$("sign-out").addEventListener("click", async () => {
  await logout();
  location.replace("/login");
});
session().then((mine) => ($("sign-out").hidden = !mine?.locked));
showAge();
setInterval(showAge, 250);
new Stream({ onState: showState, onLost: () => showMissing("lost"), onStopped: () => showMissing("stopped") }).start();
