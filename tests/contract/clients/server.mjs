// The server that the clients are run against, and what they ask of it.
export const url = `${process.env.EXEMPLAR_URL}/graphql/`;
export const socketUrl = url.replace("http", "ws");
export const headers = process.env.EXEMPLAR_TOKEN
  ? { Authorization: `Bearer ${process.env.EXEMPLAR_TOKEN}` }
  : {};

/** Features of a diabetes instance that no other check asks about. */
export const instance = (age) => ({
  age,
  sex: "FIRST",
  bmi: 27.5,
  bloodPressure: 91,
  totalCholesterol: 171,
  ldl: 101.5,
  hdl: 44,
  cholesterolRatio: 4,
  logTriglycerides: 4.61,
  glucose: 83,
});

export const PREDICT = `query Predict($features: DiabetesFeatures!, $reference: String) {
  diabetes { id predict(features: $features, reference: $reference) { id value truth } } }`;
export const CORRECT = `mutation Correct($input: DiabetesFeedbackInput!) {
  diabetesFeedback(input: $input) { feedback { id value } prediction { id truth } } }`;
export const RETRACT = `mutation Retract($id: ID!) {
  diabetesFeedbackRetract(input: { feedback: $id }) { feedback { id status } prediction { id truth } } }`;
export const DELETE = `mutation Delete($ids: [ID!]!) { deletePredictions(input: { ids: $ids }) { count deletedIds } }`;
export const WATCH = `subscription Watch($build: ID!, $after: String) {
  buildProgress(build: $build, after: $after) { __typename id cursor sequence message final build { id status } } }`;
export const INVALID = "{ diabetes { predict(features: { ages: 1 }) { id } } }";

/** Ask without any client. Returns the result's data; throws if it has errors. */
export async function ask(query, variables = {}) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json();
  if (errors) throw new Error(errors[0].message);
  return data;
}

/** The build that is watched, which has ended, and the ids of its events in order. */
export const ended = () => (endedBuild ??= findEnded());
let endedBuild;
async function findEnded() {
  const { wine } = await ask(`{ wine { builds(first: 1, filter: { status: { eq: SUCCEEDED } }) { edges { node { id
    events(first: 500) { edges { node { id } } } } } } } }`);
  const build = wine.builds.edges[0].node;
  return { id: build.id, events: build.events.edges.map(({ node }) => node.id) };
}

/** Collect what an asynchronous iterable yields. */
export async function collect(results) {
  const all = [];
  for await (const result of results) all.push(result);
  return all;
}
