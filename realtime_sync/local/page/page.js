// The page: one stream from the server, and what it fills.

import { Events } from "./events.js";
import { Sessions } from "./sessions.js";
import { Turns } from "./turns.js";
import { Waveform } from "./waveform.js";
import { clock, count, element, lasting, put, responding } from "./words.js";

const RETRY = 1000; // ms between two attempts to find the server again
const FULL = 3000; // ms between two where too many watch
const SILENCE = 15_000; // ms without a word after which it is taken for dead; it speaks every 5 s

const $ = (id) => document.getElementById(id);
const base = `${location.origin}/v1`;

const sessions = new Sessions({ list: $("sessions"), total: $("count"), choose: (n) => choose(n, true) });
const turns = new Turns({
  section: $("timings"), body: $("turns"), medians: $("medians"), total: $("turned"),
});
const waveform = new Waveform({
  canvas: $("wave"), heard: $("heard"), at: $("at"), span: $("span"), live: $("live"),
});
const events = new Events({
  list: $("events"), scroll: $("list"), shown: $("shown"), dropped: $("dropped"), down: $("down"),
  filter: $("filter"), who: $("who"), deltas: $("deltas"),
});

let source = null; // the stream; null while there is none
let server = null; // the server's name for itself: another one has other sessions
let chosen = null; // number of the session that is looked at
let whole = false; // whether the next message has all sessions
let timer = null; // for the next attempt, or for the end of our patience

function connect() {
  clearTimeout(timer);
  source?.close();
  source = new EventSource(chosen === null ? "stream" : `stream?session=${chosen}`);
  source.onmessage = (event) => take(JSON.parse(event.data));
  source.onerror = lost;
  timer = setTimeout(lost, SILENCE);
}

function lost() {
  state("ended", "no connection");
  wait("The server has ended. This is what it said until then; the page goes on when it is back.", RETRY);
}

function full(others) {
  state("waiting", "full");
  wait(`${others} others watch this server already, as many as can. The page goes on when one of them has gone.`, FULL);
}

function wait(why, time) {
  clearTimeout(timer);
  source?.close();
  source = null;
  document.body.classList.add("stale");
  put($("ended"), why);
  $("ended").hidden = false;
  show();
  timer = setTimeout(connect, time);
}

function state(name, text) {
  $("link").dataset.state = name;
  put($("link"), text);
}

function take(message) {
  clearTimeout(timer);
  timer = setTimeout(lost, SILENCE);
  if (message.full) return full(message.full);
  if (message.server) return greet(message.server);
  if (message.sessions) {
    sessions.take(message.sessions, whole ? sessions.without(message.sessions) : message.gone);
    whole = false;
    if (message.gone.includes(chosen)) choose(null);
    const newest = sessions.newest;
    if (newest !== null && newest !== chosen && ($("newest").checked || !sessions.known.has(chosen))) {
      return choose(newest);
    }
  }
  if (message.chosen?.n === chosen) look(message.chosen);
  show();
}

function greet(name) {
  state("live", "live");
  document.body.classList.remove("stale");
  $("ended").hidden = true;
  whole = true;
  clear();
  if (server !== null && server !== name && chosen !== null) {
    // a number means another session there
    chosen = null;
    sessions.mark(null);
    address();
    connect();
  }
  server = name;
}

function clear() {
  events.clear();
  turns.clear();
  waveform.clear();
}

function choose(number, byHand = false) {
  if (byHand) $("newest").checked = number === sessions.newest && $("newest").checked;
  if (number === chosen) return;
  chosen = number;
  sessions.mark(number);
  address();
  clear();
  show();
  connect();
}

// Only who has chosen a session finds it again when he loads the page anew.
function address() {
  history.replaceState(null, "", chosen === null || $("newest").checked ? " " : `#${chosen}`);
}

function look(told) {
  waveform.take(told, sessions.known.get(chosen)?.open ?? false);
  turns.take(told.turns ?? []);
  events.take(told.events, told.total);
}

function show() {
  const session = sessions.known.get(chosen);
  $("session").hidden = !session;
  $("empty").hidden = Boolean(session);
  sessions.mark(chosen);
  document.title = session ? `${session.label || "session"} – realtime-sync` : "realtime-sync";
  if (!session) return;
  put($("label"), session.label || `session ${session.n}`);
  const open = session.open && !document.body.classList.contains("stale");
  chip($("state"), open ? "open" : "ended", open ? "good" : "");
  chip($("response"), ...responding(session));
  facts({
    model: session.model || "none",
    kind: session.kind,
    dialect: session.dialect === "ga" ? "GA" : session.dialect,
    since: `${clock(session.date)}, ${lasting(session.open ? waveform.now : session.lasted)}`,
    "sent by the client": count(session.client),
    "by the server": count(session.server),
  });
}

function chip(node, text, tone) {
  put(node, text);
  node.dataset.tone = tone;
}

function facts(all) {
  const list = $("facts");
  for (const [at, [name, value]] of Object.entries(all).entries()) {
    const row = list.children[at] ?? list.appendChild(element("div"));
    if (!row.firstChild) row.append(element("dt", "", name), element("dd"));
    put(row.lastChild, value);
  }
}

document.addEventListener("keydown", (event) => {
  const typing = /INPUT|SELECT|TEXTAREA/.test(event.target.tagName) && event.target.type !== "checkbox";
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  $("filter").focus();
});

$("newest").addEventListener("input", () => {
  address();
  if ($("newest").checked && sessions.newest !== null) choose(sessions.newest);
});

// A page that nobody looks at holds no connection: a browser has six for a server.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    clearTimeout(timer);
    source?.close();
    source = null;
    state("waiting", "paused");
  } else if (!source) {
    connect();
  }
});

put($("place"), location.host);
put($("how"), `OPENAI_BASE_URL=${base} OPENAI_API_KEY=any python program.py\nrealtime-sync chat --url ${base} --api-key any`);
const wanted = Number(location.hash.slice(1));
if (Number.isInteger(wanted) && wanted > 0) {
  chosen = wanted;
  $("newest").checked = false;
}
connect();
