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
  timeline: (track) => `Scores of face ${track} in the last minute`,
  timelineStart: "1 min ago",
  timelineEnd: "now",
  spoken: (track, emotion) => `Face ${track}: ${emotion}`,
  spokenGone: (track) => `Face ${track} left`,

  camera: "Camera",
  broker: "Broker",
  model: "Model",
  detector: "Detector",
  online: "online",
  lost: "lost",
  off: "off",

  fps: "FPS",
  latency: "Latency",
  milliseconds: (value) => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`,

  live: "Live",
  conditions: {
    connecting: "Connecting…",
    starting: "Waiting for the first picture…",
    live: "Live",
    stalled: "No new picture",
    camera: "Camera lost, looking for it…",
    lost: "No connection, trying again…",
  },
  age: (seconds) => `last picture ${duration(seconds)} ago`,
};
