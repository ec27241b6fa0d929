// GraphQL over server-sent events by the reference client, one connection for each operation.
import assert from "node:assert/strict";
import { createClient } from "graphql-sse";
import { collect, ended, headers, instance, INVALID, PREDICT, url, WATCH } from "./server.mjs";

const client = createClient({ url, headers, retryAttempts: 0 });

export default {
  async "a subscription ends with its last event"() {
    const build = await ended();
    const events = await collect(client.iterate({ query: WATCH, variables: { build: build.id } }));
    assert.deepEqual(events.map(({ data }) => data.buildProgress.id), build.events);
    assert.equal(events.at(-1).data.buildProgress.final, true);
  },

  async "a query is answered by one event"() {
    const results = await collect(client.iterate({ query: PREDICT, variables: { features: instance(32) } }));
    assert.equal(results.length, 1);
    assert.equal(typeof results[0].data.diabetes.predict.value, "number");
  },

  async "one connection for several streams is refused with a sentence"() {
    const single = createClient({ url, headers, retryAttempts: 0, singleConnection: true });
    const error = await collect(single.iterate({ query: WATCH, variables: { build: "" } })).catch((error) => error);
    assert.equal(error.response.status, 405);
    // The client closes the answer unread: as a developer finds it in the browser's network panel.
    const { errors } = await (await fetch(url, { method: "PUT", headers })).json();
    assert.match(errors[0].message, /singleConnection: false/);
  },

  async "an invalid document is refused"() {
    const said = await collect(client.iterate({ query: INVALID })).catch((error) => error);
    assert.match(JSON.stringify(said?.message ?? said), /400|Bad Request|ages/);
  },
};
