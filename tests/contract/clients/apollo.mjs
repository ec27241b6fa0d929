// Apollo Client: normalised cache, pages, interfaces, subscriptions over WebSocket and as multipart responses.
import assert from "node:assert/strict";
import { ApolloClient, gql, HttpLink, InMemoryCache } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { relayStylePagination } from "@apollo/client/utilities";
import { createClient as createSocket } from "graphql-ws";
import WebSocket from "ws";
import { CORRECT, DELETE, ended, headers, instance, PREDICT, RETRACT, socketUrl, url, WATCH } from "./server.mjs";

const POSSIBLE = gql`
  {
    __schema {
      types {
        name
        possibleTypes {
          name
        }
      }
    }
  }
`;
const LIST = gql`
  query List($after: String) {
    diabetes {
      id
      predictions(first: 2, after: $after, filter: { reference: { eq: "apollo" } }) {
        pageInfo {
          hasNextPage
          endCursor
        }
        edges {
          node {
            id
            value
          }
        }
      }
    }
  }
`;

function connect({ link = new HttpLink({ uri: url, headers }), ...cache } = {}) {
  const policies = { DiabetesProduct: { fields: { predictions: relayStylePagination(["filter"]) } } };
  return new ApolloClient({ link, cache: new InMemoryCache({ typePolicies: policies, ...cache }) });
}

async function predict(client, age) {
  const variables = { features: instance(age), reference: "apollo" };
  const { data } = await client.query({ query: gql(PREDICT), variables });
  return data.diabetes.predict;
}

const watch = (client, build) =>
  new Promise((resolve, reject) => {
    const ids = [];
    client.subscribe({ query: gql(WATCH), variables: { build } }).subscribe({
      next: ({ data, error }) => (error ? reject(error) : ids.push(data.buildProgress.id)),
      error: reject,
      complete: () => resolve(ids),
    });
  });

export default {
  async "a mutation's payload updates the cached prediction"() {
    const client = connect();
    const { id, truth } = await predict(client, 41);
    assert.equal(truth, null);
    const cached = () =>
      client.readFragment({
        id: client.cache.identify({ __typename: "DiabetesPrediction", id }),
        fragment: gql("fragment Truth on DiabetesPrediction { truth }"),
      }).truth;
    const input = { about: { prediction: id }, value: 152 };
    const { data } = await client.mutate({ mutation: gql(CORRECT), variables: { input } });
    assert.equal(cached(), 152);
    await client.mutate({ mutation: gql(RETRACT), variables: { id: data.diabetesFeedback.feedback.id } });
    assert.equal(cached(), null);
    await client.mutate({ mutation: gql(DELETE), variables: { ids: [id] } });
  },

  async "pages of a connection merge in the cache"() {
    const client = connect();
    const asked = [];
    for (const age of [42, 43, 44, 45, 46]) asked.unshift((await predict(client, age)).id);
    await client.query({ query: LIST });
    const list = client.watchQuery({ query: LIST });
    const watching = list.subscribe({});
    const shown = () => client.readQuery({ query: LIST }).diabetes.predictions;
    while (shown().pageInfo.hasNextPage) {
      await list.fetchMore({ variables: { after: shown().pageInfo.endCursor } });
    }
    const seen = shown().edges.map(({ node }) => node.id);
    watching.unsubscribe();
    assert.deepEqual(seen.filter((id) => asked.includes(id)), asked);
    await client.mutate({ mutation: gql(DELETE), variables: { ids: asked } });
  },

  async "fragments on interfaces match by the schema's possible types"() {
    const types = (await connect().query({ query: POSSIBLE })).data.__schema.types;
    const possibleTypes = Object.fromEntries(
      types.filter((type) => type.possibleTypes).map((type) => [type.name, type.possibleTypes.map(({ name }) => name)]),
    );
    assert.ok(possibleTypes.Prediction.includes("DiabetesPrediction"));
    const query = gql`
      {
        product(name: "diabetes") {
          id
          ... on Node {
            __typename
          }
          ... on DataProduct {
            title
          }
        }
      }
    `;
    const { data } = await connect({ possibleTypes }).query({ query });
    assert.equal(data.product.title, "Diabetes");
  },

  async "watches a build over graphql-ws"() {
    const socket = createSocket({ url: socketUrl, webSocketImpl: WebSocket, connectionParams: headers });
    const build = await ended();
    assert.deepEqual(await watch(connect({ link: new GraphQLWsLink(socket) }), build.id), build.events);
    await socket.dispose();
  },

  async "watches a build by multipart responses"() {
    const build = await ended();
    assert.deepEqual(await watch(connect(), build.id), build.events);
  },
};
