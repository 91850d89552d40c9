// The door: a password in, then the page.

import { login, session } from "./api.js";
import { say } from "./dom.js";
import { STRINGS } from "./strings.js";

const $ = (id) => document.getElementById(id);

for (const node of document.querySelectorAll("[data-text]")) node.textContent = STRINGS[node.dataset.text];

$("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  $("sign-in").disabled = true;
  const problem = await login($("password").value);
  $("sign-in").disabled = false;
  if (!problem) {
    location.replace("/");
    return;
  }
  say($("failure"), problem);
  $("failure").hidden = false;
  $("password").select();
});

// Whoever comes by a link from another site brings no cookie at first, although there is one.
if (await session()) location.replace("/");
