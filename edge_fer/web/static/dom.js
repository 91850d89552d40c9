// Two short names for making elements.

export const element = (tag, className, text) => {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
};

export const svg = (tag, attributes) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
};

// Setting the text that stands there already would make screen readers and layout work for nothing.
export const say = (node, text) => {
  if (node.textContent !== text) node.textContent = text;
};
