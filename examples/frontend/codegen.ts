// Types of the schema and of this frontend's operations: from the committed schema, or from the server at EXEMPLAR_URL.
import type { CodegenConfig } from "@graphql-codegen/cli";

const { EXEMPLAR_URL: server, EXEMPLAR_TOKEN: token } = process.env;
const headers: Record<string, string> = token ? { Authorization: `Bearer ${token}` } : {};

const config: CodegenConfig = {
  schema: server ? [{ [`${server}/graphql/`]: { headers } }] : "../../schema/schema.graphql",
  documents: "src/**/*.{ts,tsx}",
  generates: {
    "src/gql/": {
      preset: "client",
      presetConfig: { fragmentMasking: false },
      config: { scalars: { DateTime: "string", ID: "string", JSON: "unknown" }, strictScalars: true, useTypeImports: true, enumsAsTypes: true },
    },
  },
};

export default config;
