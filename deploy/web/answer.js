// One answer on the page: written as text while it comes, then judged.

import { complete } from "/completions.js";

const SIDES = { tuned: "Tuned", base: "Base" };

export class Answer {
  /** Make the card of one side's answer; `onVerdict(answer, verdict)` gives whether it was kept. */
  constructor(side, onVerdict) {
    this.side = side;
    this.id = crypto.randomUUID();
    this.messages = [];
    this.text = "";
    this.verdict = "";
    this.element = document.getElementById("answer").content.cloneNode(true).firstElementChild;
    this.element.dataset.side = side;
    this.part("h3").textContent = `${SIDES[side]} answer`;
    this.part(".verdicts").ariaLabel = `Judge the ${side} answer`;
    for (const button of this.element.querySelectorAll(".thumb")) {
      const verdict = button.dataset.verdict;
      button.ariaLabel = verdict === "up" ? `Good answer (${side})` : `Bad answer (${side})`;
      button.title = verdict === "up" ? "Good answer" : "Bad answer";
      button.addEventListener("click", () => onVerdict(this, verdict));
    }
    this.part(".better").addEventListener("click", () => onVerdict(this, "better"));
    this.part(".better").ariaLabel = `This one is better (${side})`;
    this.part(".better").title = "This one is better";
  }

  part(selector) {
    return this.element.querySelector(selector);
  }

  /** Ask, and show what comes; gives whether there is an answer to go on from. */
  async write(messages, parameters, signal) {
    this.messages = messages;
    this.element.classList.add("busy");
    this.element.ariaBusy = "true";
    const start = performance.now();
    let first = 0;
    let told = { deployment: "", model: "", finish: "", tokens: null, pieces: 0 };
    try {
      told = await complete({ model: this.side, messages, ...parameters }, (piece) => {
        first ||= performance.now();
        this.text += piece;
        this.part(".text").textContent = this.text;
      }, signal);
    } catch (error) {
      if (error.name !== "AbortError") return this.fail(error.message);
      told.finish = "stopped";
    } finally {
      this.element.classList.remove("busy");
      this.element.ariaBusy = "false";
    }
    this.told = { ...told, ...speed(told, start, first, performance.now()) };
    return this.finish();
  }

  finish() {
    if (!this.text) return this.fail(this.told.finish === "stopped" ? "Stopped." : "It said nothing.");
    this.part(".speed").textContent = inWords(this.told);
    this.part(".foot").hidden = false;
    this.part(".verdicts").hidden = this.told.finish === "stopped";
    return true;
  }

  fail(reason) {
    this.part(".error").textContent = reason;
    this.part(".error").hidden = false;
    return false;
  }

  /** Show which of the buttons is chosen. */
  show(verdict, isBetter) {
    this.verdict = verdict;
    for (const button of this.element.querySelectorAll(".thumb")) {
      button.ariaPressed = String(button.dataset.verdict === verdict);
    }
    this.part(".better").ariaPressed = String(isBetter);
    this.element.classList.toggle("chosen", isBetter);
  }

  /** Give the answer as the evaluation set keeps it. */
  record() {
    const { deployment, model, finish, tokens, first_token_seconds, seconds } = this.told;
    return {
      id: this.id, side: this.side, deployment, model, messages: this.messages, text: this.text,
      finish, tokens, first_token_seconds, seconds,
    };
  }
}

function speed(told, start, first, end) {
  const seconds = (end - start) / 1000;
  const waited = first ? (first - start) / 1000 : null;
  const isStreamed = told.pieces > 1;
  const tokens = told.tokens ?? (isStreamed ? told.pieces : null);
  // The first token is waited for, not written in that time.
  const writing = isStreamed ? (end - first) / 1000 : seconds;
  const written = isStreamed ? tokens - 1 : tokens;
  return {
    isStreamed,
    tokens,
    seconds: round(seconds),
    first_token_seconds: isStreamed ? round(waited) : null,
    rate: tokens && writing > 0 ? written / writing : null,
  };
}

function inWords({ isStreamed, tokens, seconds, first_token_seconds, rate, finish }) {
  const words = [];
  if (isStreamed) words.push(`${first_token_seconds.toFixed(2)} s to first token`);
  else words.push(`${seconds.toFixed(2)} s, not streamed`);
  if (rate) words.push(`${rate.toFixed(rate < 10 ? 1 : 0)} tokens/s`);
  if (tokens) words.push(`${tokens} tokens`);
  if (finish === "length") words.push("cut at max tokens");
  if (finish === "stopped") words.push("stopped");
  return words.join(" · ");
}

function round(number) {
  return Math.round(number * 1000) / 1000;
}
