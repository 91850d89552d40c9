// Every word that the page says, in one place.

const plural = (count, one, many) => (count === 1 ? `1 ${one}` : `${count} ${many}`);
const percent = (share) => `${Math.round(share * 100)}%`;
const capital = (word) => word.charAt(0).toUpperCase() + word.slice(1);

const duration = (seconds) => {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 100) return `${Math.round(seconds)} s`;
  if (seconds < 6000) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
};

export const STRINGS = {
  names: {
    chips: "State of the daemon",
    picture: "Live picture",
    controls: "Controls",
    speed: "Speed",
  },

  title: (device) => (device ? `${device} · edge-fer` : "edge-fer"),
  honesty: "This is the expression that a face shows, not what somebody feels.",
  nobody: "Nobody in sight",
  nobodyHint: "Faces appear here as soon as the camera sees one.",

  faces: (count) => (count ? plural(count, "face", "faces") : "Faces"),
  face: (track) => `Face ${track}`,
  emotion: capital,
  percent,
  since: (seconds) => `for ${duration(seconds)}`,
  gone: "gone",
  trackTag: (track) => `#${track}`,
  picture: (camera, count) => `Picture of ${camera}: ${count ? plural(count, "face", "faces") : "nobody in sight"}`,
  timeline: (track) => `Scores of face ${track} in the last three minutes`,
  timelineStart: "3 min ago",
  timelineEnd: "now",
  spoken: (track, emotion) => `Face ${track}: ${emotion}`,
  spokenGone: (track) => `Face ${track} left`,

  noPicture: "No picture",
  privacy: "Private: no picture leaves the device, only where faces are",
  stagePrivate: (count) => `Where faces are, without a picture: ${count ? plural(count, "face", "faces") : "nobody in sight"}`,

  pause: "Pause",
  resume: "Resume",
  snapshot: "Snapshot",
  snapshotName: (date) => `edge-fer-${date.toISOString().slice(0, 19).replaceAll(":", "-")}.jpg`,
  stop: "Stop…",
  stopTitle: "Stop edge-fer?",
  stopText: "The camera is released and nothing is published any more. This page cannot start it again.",
  startHint: "To bring it back, on the device: sudo systemctl start edge-fer, or edge-fer run in a terminal.",
  stopConfirm: "Stop",
  keepRunning: "Keep running",
  commandFailed: (problem) => `That did not work: ${problem}`,
  signOut: "Sign out",

  login: "This page is locked",
  loginHint: "The password is the one whose hash stands in the daemon's configuration.",
  password: "Password",
  signIn: "Sign in",
  unreachable: "the daemon does not answer.",

  camera: "Camera",
  broker: "Broker",
  model: "Model",
  detector: "Detector",
  online: "online",
  lost: "lost",
  off: "off",

  temperature: "Processor",
  degrees: (value) => `${Math.round(value)} °C`,
  fps: "FPS",
  latency: "Latency",
  milliseconds: (value) => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`,

  live: "Live",
  conditions: {
    connecting: "Connecting…",
    starting: "Waiting for the first picture…",
    live: "Live",
    stalled: "No new picture",
    opening: "Opening the camera…",
    camera: "Camera lost, looking for it…",
    paused: "Paused",
    lost: "No connection, trying again…",
    stopped: "edge-fer was stopped",
  },
  pausedHint: "The camera is released and nobody is looked at.",
  stoppedHint: "To bring it back, on the device: sudo systemctl start edge-fer, or edge-fer run in a terminal. This page then goes on by itself.",
  age: (seconds) => `last picture ${duration(seconds)} ago`,
};
