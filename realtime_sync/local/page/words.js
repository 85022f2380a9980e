// How things are said: times, counts, states. No DOM of its own, but `element`.

export function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  // never as HTML: what is shown may come from anybody
  if (text !== undefined) made.textContent = text;
  return made;
}

export function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

const whole = new Intl.NumberFormat("en");

export const count = (number) => whole.format(number);

export function several(number, one, more = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : more}`;
}

// Milliseconds, as a column of a table has them.
export function milliseconds(ms) {
  if (ms === null || ms === undefined) return "–";
  return `${ms < 10 ? ms.toFixed(1) : count(Math.round(ms))} ms`;
}

export function seconds(ms) {
  return `${(ms / 1000).toFixed(ms < 9950 ? 2 : 1)} s`;
}

// A length of time, for people: 4 s, 2 min 10 s, 1 h 5 min.
export function lasting(ms) {
  const all = Math.max(0, Math.floor(ms / 1000));
  if (all < 60) return `${all} s`;
  if (all < 3600) return `${Math.floor(all / 60)} min ${all % 60} s`;
  return `${Math.floor(all / 3600)} h ${Math.floor((all % 3600) / 60)} min`;
}

export function clock(date) {
  return new Date(date).toLocaleTimeString("en-GB");
}

const TONES = {
  in_progress: "busy", completed: "good", failed: "bad", lost: "bad",
  incomplete: "warn", cancelled: "warn",
};

export const tone = (status) => TONES[status] ?? "warn";

export const status = (name) => name.replaceAll("_", " ");

// The last response's state, in words.
export function responding(session) {
  if (session.speaking) return ["the user speaks", "user"];
  if (/^trans/.test(session.kind)) return ["listens", ""]; // neither kind has responses
  if (!session.response) return ["no response yet", ""];
  if (session.response === "in_progress") {
    return session.open ? ["responding", "busy"] : ["ended while responding", "bad"];
  }
  return [`response ${status(session.response)}`, tone(session.response)];
}

// Arrow keys, Home and End move among the buttons of a list, of which Tab finds only one.
export function roving(list) {
  const buttons = () =>
    [...list.querySelectorAll("button")].filter((one) => one.offsetParent !== null);
  list.addEventListener("keydown", (event) => {
    const all = buttons();
    const here = all.indexOf(document.activeElement);
    const to = {
      ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: all.length - 1,
      PageDown: here + 10, PageUp: here - 10,
    }[event.key];
    if (here < 0 || to === undefined) return;
    event.preventDefault();
    all[Math.max(0, Math.min(all.length - 1, to))].focus();
  });
  list.addEventListener("focusin", (event) => {
    const chosen = event.target.closest("button");
    if (!chosen) return;
    const before = list.querySelector('button[tabindex="0"]');
    if (before) before.tabIndex = -1;
    chosen.tabIndex = 0;
  });
}
