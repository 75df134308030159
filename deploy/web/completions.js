// Asks the proxy of this very address for a completion and hands its pieces on as they come.

// The token of `serve --token` comes in the address's fragment, which no server is told.
const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? sessionStorage.token ?? "";
if (token) {
  sessionStorage.token = token;
  history.replaceState(null, "", "/");
}

/** Send a request to this address; fails with the reason that the answer gives. */
export async function request(path, document, signal) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const options = { headers, signal, cache: "no-store" };
  if (document) {
    options.method = "POST";
    options.body = JSON.stringify(document);
    headers["Content-Type"] = "application/json";
  }
  const response = await fetch(path, options);
  if (response.ok) return response;
  const said = await response.json().catch(() => ({}));
  throw new Error(said.error?.message ?? `The answer was ${response.status}.`);
}

/** Ask a model; `onText` gets each piece. Gives who answered, how it ended and its tokens. */
export async function complete(body, onText, signal) {
  const asked = { ...body, stream: true, stream_options: { include_usage: true } };
  const response = await request("/v1/chat/completions", asked, signal);
  const told = {
    deployment: response.headers.get("x-tunestack-deployment") ?? "",
    model: response.headers.get("x-tunestack-model") ?? "",
    finish: "",
    tokens: null,
    pieces: 0,
  };
  for await (const data of events(response.body)) {
    if (data === "[DONE]") return told;
    const chunk = JSON.parse(data);
    if (chunk.error) throw new Error(chunk.error.message);
    if (chunk.usage) told.tokens = chunk.usage.completion_tokens ?? null;
    const choice = chunk.choices?.[0];
    if (choice?.finish_reason) told.finish = choice.finish_reason;
    if (choice?.delta?.content) {
      told.pieces += 1;
      onText(choice.delta.content);
    }
  }
  throw new Error("The answer broke off.");
}

async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) if (part.startsWith("data: ")) yield part.slice(6);
  }
}
