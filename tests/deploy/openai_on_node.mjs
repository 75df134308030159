// Asks through OpenAI's own client for Node: models, whole, in pieces, and an error.
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.argv[2], apiKey: "any", maxRetries: 0 });
const messages = [{ role: "user", content: "Hi \u{1F600}" }];
const found = { models: [], pieces: [] };
for await (const model of client.models.list()) found.models.push(model.id);
const whole = await client.chat.completions.create({ model: "base", messages });
found.whole = whole.choices[0].message.content;
const stream = await client.chat.completions.create({ model: "tuned", messages, stream: true });
for await (const chunk of stream) {
  const text = chunk.choices[0]?.delta?.content;
  if (text) found.pieces.push(text);
}
try {
  await client.chat.completions.create({ model: "gpt-4", messages });
} catch (error) {
  found.error = [error.constructor.name, error.status, error.code];
}
console.log(JSON.stringify(found));
