// The page: what is deployed, the conversation of each side, the settings and the votes.

import { Answer } from "/answer.js";
import { request } from "/completions.js";

const at = (id) => document.getElementById(id);
const sides = { tuned: null, base: null };
let histories = { tuned: [], base: [] };
let stopping = null;

async function look() {
  try {
    const about = await (await request("/api/stack")).json();
    showStack(about);
  } catch (error) {
    at("endpoint").textContent = error.message;
    document.querySelector(".dot").className = "dot down";
  }
}

function showStack(about) {
  at("endpoint").textContent = `${about.endpoint} · stack ${about.stack}`;
  document.querySelector(".dot").className = "dot up";
  document.title = `tunestack · ${about.stack}`;
  showVotes(about.votes);
  for (const section of document.querySelectorAll(".side")) {
    const found = about.sides[section.dataset.side];
    sides[section.dataset.side] = found;
    section.hidden = !found;
    if (found) showSide(section, found);
  }
  document.querySelector("main").classList.toggle("alone", deployed().length < 2);
  at("missing").hidden = Boolean(sides.base) || !about.base_command;
  at("command").textContent = about.base_command;
}

function showSide(section, found) {
  const model = document.createElement("span");
  model.className = "model";
  model.textContent = found.model;
  section.querySelector("h2").replaceChildren(
    section.dataset.side === "tuned" ? "Tuned" : "Base", model,
  );
  const size = `${found.instances} × ${found.vm_size}`;
  const facts = [found.name, size, found.runtime, `${found.traffic} % of traffic`];
  section.querySelector(".facts").textContent = facts.join(" · ");
}

function showVotes({ count, file }) {
  at("votes").textContent = `${count} ${count === 1 ? "vote" : "votes"} kept`;
  at("votes").title = file;
}

const deployed = () => Object.keys(sides).filter((side) => sides[side]);

function settings() {
  const { system, temperature, top_p, max_tokens, seed, stop_at } = at("settings").elements;
  const stop = stop_at.value.split("\n").filter((line) => line);
  const parameters = { temperature: temperature.valueAsNumber, top_p: top_p.valueAsNumber };
  if (max_tokens.value) parameters.max_tokens = max_tokens.valueAsNumber;
  if (seed.value) parameters.seed = seed.valueAsNumber;
  if (stop.length) parameters.stop = stop;
  return { system: system.value.trim(), parameters };
}

async function ask(text) {
  const { system, parameters } = settings();
  const opening = system ? [{ role: "system", content: system }] : [];
  const question = { role: "user", content: text };
  const turn = { parameters, better: null, answers: [] };
  turn.answers = deployed().map((side) => new Answer(side, (...vote) => judge(turn, ...vote)));
  showTurn(text, turn);
  stopping = new AbortController();
  showBusy(true);
  const { signal } = stopping;
  const mine = histories;
  const ended = await Promise.all(turn.answers.map((answer) =>
    answer.write([...opening, ...mine[answer.side], question], parameters, signal)));
  turn.answers.forEach((answer, index) => {
    if (ended[index]) {
      mine[answer.side].push(question, { role: "assistant", content: answer.text });
    }
  });
  const whole = turn.answers.every((answer, index) => ended[index] && answer.told.finish !== "stopped");
  if (whole && turn.answers.length === 2) {
    for (const answer of turn.answers) answer.part(".better").hidden = false;
  }
  showBusy(false);
  say(ended.every(Boolean) ? "Answered." : "Not every answer came.");
  turn.answers[0]?.element.scrollIntoView({ block: "nearest" });
}

function showTurn(text, turn) {
  const article = at("turn").content.cloneNode(true).firstElementChild;
  article.querySelector(".question").textContent = text;
  article.querySelector(".answers").append(...turn.answers.map((answer) => answer.element));
  at("turns").append(article);
  at("welcome").hidden = true;
  article.scrollIntoView({ block: "start" });
}

// A button pressed again takes its vote back: a later line about the same answer counts.
async function judge(turn, answer, verdict) {
  const isBetter = verdict === "better";
  const before = isBetter ? turn.better === answer && "better" : answer.verdict;
  const now = before === verdict ? "withdrawn" : verdict;
  const judged = isBetter ? turn.answers : [answer];
  try {
    const response = await request("/api/votes", {
      kind: isBetter ? "preference" : "thumb",
      verdict: now,
      about: answer.id,
      parameters: turn.parameters,
      answers: judged.map((each) => each.record()),
    });
    showVotes(await response.json());
  } catch (error) {
    answer.fail(error.message);
    return;
  }
  if (isBetter) turn.better = now === "better" ? answer : null;
  else answer.verdict = now === "withdrawn" ? "" : now;
  for (const each of turn.answers) each.show(each.verdict, turn.better === each);
  say(now === "withdrawn" ? "Taken back." : "Kept.");
}

function showBusy(isBusy) {
  at("send").hidden = isBusy;
  at("stop").hidden = !isBusy;
  if (!isBusy) {
    stopping = null;
    at("question").focus({ preventScroll: true });
  }
}

function say(text) {
  at("status").textContent = text;
}

function fit() {
  const field = at("question");
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight + 2}px`;
}

at("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = at("question").value.trim();
  if (!text || stopping || !at("settings").reportValidity()) return;
  at("question").value = "";
  fit();
  ask(text);
});
at("question").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    at("composer").requestSubmit();
  }
});
at("question").addEventListener("input", fit);
at("stop").addEventListener("click", () => stopping?.abort());
at("settings").addEventListener("submit", (event) => event.preventDefault());
at("anew").addEventListener("click", () => {
  stopping?.abort();
  histories = { tuned: [], base: [] };
  at("turns").replaceChildren();
  at("welcome").hidden = false;
  at("question").focus();
});
for (const name of ["temperature", "top_p"]) {
  const tell = () => { at(`${name}-said`).textContent = at(name).valueAsNumber.toFixed(2); };
  at(name).addEventListener("input", tell);
  tell();
}
addEventListener("focus", look);
look().then(() => at("question").focus());
