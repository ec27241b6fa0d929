// GraphQL over WebSocket by the reference client of graphql-transport-ws.
import assert from "node:assert/strict";
import { createClient } from "graphql-ws";
import WebSocket from "ws";
import { collect, ended, headers, instance, INVALID, PREDICT, socketUrl, WATCH } from "./server.mjs";

async function connected(use, options = {}) {
  const client = createClient({ url: socketUrl, webSocketImpl: WebSocket, connectionParams: headers, ...options });
  try {
    return await use(client);
  } finally {
    await client.dispose();
  }
}

export default {
  "a query and a subscription share a socket": () =>
    connected(async (client) => {
      const build = await ended();
      const [predicted, events] = await Promise.all([
        collect(client.iterate({ query: PREDICT, variables: { features: instance(31) } })),
        collect(client.iterate({ query: WATCH, variables: { build: build.id } })),
      ]);
      assert.equal(typeof predicted[0].data.diabetes.predict.value, "number");
      assert.deepEqual(events.map(({ data }) => data.buildProgress.id), build.events);
      assert.equal(events.at(-1).data.buildProgress.final, true);
    }),

  "a subscription continues after a cursor": () =>
    connected(async (client) => {
      const build = await ended();
      const all = await collect(client.iterate({ query: WATCH, variables: { build: build.id } }));
      const after = all[1].data.buildProgress.cursor;
      const rest = await collect(client.iterate({ query: WATCH, variables: { build: build.id, after } }));
      assert.deepEqual(rest.map(({ data }) => data.buildProgress.id), build.events.slice(2));
    }),

  async "a lost connection is opened again and nothing is missing"() {
    const build = await ended();
    const sockets = [];
    // The first one is cut as soon as it is accepted, before the subscription is answered.
    const on = { connected: (socket) => void (sockets.push(socket) === 1 && socket.terminate()) };
    const seen = await connected(
      (client) =>
        new Promise((resolve, reject) => {
          const ids = new Set();
          client.subscribe(
            { query: WATCH, variables: { build: build.id } },
            {
              next: ({ data }) => void ids.add(data.buildProgress.id),
              error: reject,
              complete: () => resolve([...ids]),
            },
          );
        }),
      { on, retryWait: async () => {} },
    );
    assert.equal(sockets.length, 2);
    assert.deepEqual(seen, build.events);
  },

  "an invalid document ends its operation, not the socket": () =>
    connected(async (client) => {
      await assert.rejects(collect(client.iterate({ query: INVALID })), (errors) => {
        assert.match(errors[0].message, /ages/);
        assert.equal(errors[0].extensions.code, "BAD_INPUT");
        return true;
      });
      const [{ data }] = await collect(client.iterate({ query: "{ diabetes { name } }" }));
      assert.equal(data.diabetes.name, "diabetes");
    }),
};
