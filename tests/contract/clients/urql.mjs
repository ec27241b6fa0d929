// urql's core: queries by POST and GET, mutations, subscriptions by its own event streams and by graphql-ws.
import assert from "node:assert/strict";
import { cacheExchange, Client, fetchExchange, subscriptionExchange } from "@urql/core";
import { createClient as createSocket } from "graphql-ws";
import WebSocket from "ws";
import { CORRECT, DELETE, ended, headers, instance, PREDICT, RETRACT, socketUrl, url, WATCH } from "./server.mjs";

const connect = (options = {}) =>
  new Client({
    url,
    preferGetMethod: false,
    fetchOptions: { headers },
    exchanges: [cacheExchange, fetchExchange],
    ...options,
  });

async function result(source) {
  const { data, error } = await source.toPromise();
  if (error) throw error;
  return data;
}

/** The ids of a build's events until the final one. */
const watch = (client, build) =>
  new Promise((resolve, reject) => {
    // urql's own streams repeat the last result when the stream ends: events are told apart by their ids.
    const ids = new Set();
    const { unsubscribe } = client.subscription(WATCH, { build }).subscribe(({ data, error }) => {
      if (error) reject(error);
      ids.add(data?.buildProgress.id);
      if (data?.buildProgress.final) setTimeout(() => (unsubscribe(), resolve([...ids])));
    });
  });

export default {
  async "predicts, corrects, retracts and deletes"() {
    const client = connect();
    const { diabetes } = await result(client.query(PREDICT, { features: instance(33), reference: "urql" }));
    const { id } = diabetes.predict;
    const input = { about: { prediction: id }, value: 151 };
    const { diabetesFeedback } = await result(client.mutation(CORRECT, { input }));
    assert.deepEqual(diabetesFeedback.prediction, { id, truth: 151, __typename: "DiabetesPrediction" });
    const retracted = await result(client.mutation(RETRACT, { id: diabetesFeedback.feedback.id }));
    assert.equal(retracted.diabetesFeedbackRetract.feedback.status, "RETRACTED");
    const { deletePredictions } = await result(client.mutation(DELETE, { ids: [id] }));
    assert.deepEqual(deletePredictions.deletedIds, [id]);
  },

  async "queries by GET, and predicts by GET with a header"() {
    const preflight = { ...headers, "X-Exemplar-Preflight": "1" };
    const client = connect({ preferGetMethod: "force", fetchOptions: { headers: preflight } });
    const { diabetes } = await result(client.query(PREDICT, { features: instance(34) }));
    assert.equal(typeof diabetes.predict.value, "number");
  },

  async "a refusal has its code and the place in the input"() {
    const features = { ...instance(35), bmi: 4000 };
    const { error } = await connect().query(PREDICT, { features }).toPromise();
    const [{ extensions, path }] = error.graphQLErrors;
    assert.equal(extensions.code, "OUT_OF_RANGE");
    assert.deepEqual(extensions.argument, ["features", "bmi"]);
    assert.deepEqual(path, ["diabetes", "predict"]);
  },

  async "watches a build by its own event streams"() {
    const build = await ended();
    assert.deepEqual(await watch(connect({ fetchSubscriptions: true }), build.id), build.events);
  },

  async "watches a build over graphql-ws"() {
    const socket = createSocket({ url: socketUrl, webSocketImpl: WebSocket, connectionParams: headers });
    const exchange = subscriptionExchange({
      forwardSubscription: (request) => ({
        subscribe: (sink) => ({ unsubscribe: socket.subscribe(request, sink) }),
      }),
    });
    const build = await ended();
    assert.deepEqual(await watch(connect({ exchanges: [exchange] }), build.id), build.events);
    await socket.dispose();
  },
};
