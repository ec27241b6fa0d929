// The audits of the specification GraphQL over HTTP, by its reference implementation.
import assert from "node:assert/strict";
import { auditServer } from "graphql-http";
import { headers, url } from "./server.mjs";

const fetchFn = (input, init) => fetch(input, { ...init, headers: { ...headers, ...init?.headers } });

export default {
  async "all 61 audits pass"() {
    const results = await auditServer({ url, fetchFn });
    const failed = results.filter(({ status }) => status !== "ok");
    assert.deepEqual(failed.map(({ id, name, status, reason }) => ({ id, name, status, reason })), []);
    assert.equal(results.length, 61);
  },
};
