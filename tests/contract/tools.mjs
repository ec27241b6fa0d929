// Run graphql-inspector, graphql-eslint and relay-compiler on the schema that a server serves; print as JSON what each
// found: null, or the failure.
//
//     node tools.mjs COMMITTED.graphql DOCUMENTS_OF_THE_FRONTEND.ts
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { promisify } from "node:util";
import { CriticalityLevel, diff, validate } from "@graphql-inspector/core";
import { ESLint } from "eslint";
import { buildClientSchema, buildSchema, getIntrospectionQuery, parse, printSchema, Source } from "graphql";
import { createClient } from "graphql-sse";
import { ask, collect, ended, headers, instance, PREDICT, url } from "./clients/server.mjs";

const [committedFile, documentsFile] = process.argv.slice(2);
const committed = buildSchema(await readFile(committedFile, "utf8"));
const options = { oneOf: true, specifiedByUrl: true, inputValueDeprecation: true };
const introspection = await ask(getIntrospectionQuery(options));
const servedText = printSchema(buildClientSchema(introspection));
const served = buildSchema(servedText);
await writeFile("relay/schema.graphql", servedText);

const serious = (changes) => changes.filter(({ criticality }) => criticality.level !== CriticalityLevel.NonBreaking);

/** The GraphQL documents in a source that has them in `graphql(…)` tags. */
const documentsIn = (source) => [...source.matchAll(/graphql\(`([^`]+)`\)/g)].map(([, text]) => text);

async function lint(rules) {
  const eslint = new ESLint({ overrideConfigFile: "eslint.config.mjs", ruleFilter: ({ ruleId }) => rules(ruleId) });
  const [{ messages }] = await eslint.lintFiles("relay/schema.graphql");
  assert.deepEqual(messages.map(({ ruleId, line, message }) => `${line}: ${message} (${ruleId})`), []);
}

let compilation;
/** Compile relay's documents once; return their texts by the operations' names. */
const compiled = () => (compilation ??= compile());
async function compile() {
  // Whatever it made before it would not make again.
  await rm("relay/src/__generated__", { recursive: true, force: true });
  await writeFile("relay/persisted.json", "{}");
  const compiler = createRequire(import.meta.url).resolve("relay-compiler/cli.js");
  await promisify(execFile)(process.execPath, [compiler, "relay.config.json"], { cwd: "relay" });
  const texts = Object.values(JSON.parse(await readFile("relay/persisted.json", "utf8")));
  return Object.fromEntries(texts.map((text) => [parse(text).definitions[0].name.value, text]));
}

const checks = {
  async "graphql-inspector: what is served breaks nothing of what is committed"() {
    assert.deepEqual(serious(await diff(committed, served)), []);
  },

  async "graphql-inspector: a feature that is gone is told"() {
    const without = structuredClone(introspection);
    const input = without.__schema.types.find(({ name }) => name === "DiabetesFeatures");
    input.inputFields = input.inputFields.filter(({ name }) => name !== "bloodPressure");
    const [change] = serious(await diff(served, buildSchema(printSchema(buildClientSchema(without)))));
    assert.equal(change.path, "DiabetesFeatures.bloodPressure");
    assert.equal(change.criticality.level, CriticalityLevel.Breaking);
  },

  async "graphql-inspector: the documents of the frontend are valid, and none uses what is deprecated"() {
    const texts = documentsIn(await readFile(documentsFile, "utf8"));
    assert.ok(texts.length > 3);
    const problems = validate(served, texts.map((text, place) => new Source(text, `document ${place + 1}`)));
    assert.deepEqual(problems.map(({ source, errors, deprecated }) => [source.name, errors, deprecated]), []);
  },

  async "relay-compiler: compiles pages, refetching, deletion and a subscription"() {
    const names = ["CorrectCreateMutation", "CorrectDeleteMutation", "CorrectMutation", "CorrectRemoveMutation"];
    names.push("PredictionsOneQuery", "PredictionsPageQuery");
    assert.deepEqual(Object.keys(await compiled()).sort(), [...names, "PredictionsQuery", "WatchSubscription"]);
  },

  async "relay-compiler: what it made of the documents is answered"() {
    const texts = await compiled();
    const { diabetes } = await ask(PREDICT, { features: instance(51) });
    const page = await ask(texts.PredictionsQuery);
    assert.equal(typeof page.diabetes.predictions.edges[0].node.value, "number");
    const next = { id: diabetes.id, count: 1, cursor: page.diabetes.predictions.pageInfo.endCursor };
    assert.equal((await ask(texts.PredictionsPageQuery, next)).node.title, "Diabetes");
    const again = await ask(texts.PredictionsOneQuery, { id: diabetes.predict.id });
    assert.equal(again.node.value, diabetes.predict.value);
    const deleted = await ask(texts.CorrectDeleteMutation, { ids: [diabetes.predict.id] });
    assert.deepEqual(deleted.deletePredictions.deletedIds, [diabetes.predict.id]);
    const row = { key: "P-relay", features: instance(51) };
    const { entityEdge } = (await ask(texts.CorrectCreateMutation, { input: row })).diabetesCreate;
    assert.equal(entityEdge.node.key, row.key);
    const removed = await ask(texts.CorrectRemoveMutation, { input: { entity: row.key } });
    assert.equal(removed.diabetesDelete.deletedId, entityEdge.node.id);
    const build = await ended();
    const events = createClient({ url, headers, retryAttempts: 0 }).iterate({
      query: texts.WatchSubscription,
      variables: { build: build.id },
    });
    assert.deepEqual((await collect(events)).map(({ data }) => data.buildProgress.id), build.events);
  },

  // Last: they keep the process so busy that the server would close idle connections.
  "graphql-eslint: the rules for schemas": () => lint((rule) => !rule.includes("/relay-")),

  "graphql-eslint: the rules of Relay": () => lint((rule) => rule.includes("/relay-")),
};

const found = {};
for (const [name, check] of Object.entries(checks)) {
  found[name] = await check().then(
    () => null,
    (error) => [error.stack, error.stdout, error.stderr].filter(Boolean).join("\n"),
  );
}
process.stdout.write(JSON.stringify(found), () => process.exit());
