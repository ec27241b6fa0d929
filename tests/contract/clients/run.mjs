// Run the checks of all clients side by side, and print as JSON what each found: null, or the failure.
const CLIENTS = ["graphql-http", "graphql-ws", "graphql-sse", "urql", "apollo"];

// Nothing is asked before all are loaded: that takes so long that the server would close idle connections.
const modules = await Promise.all(CLIENTS.map((client) => import(`./${client}.mjs`)));

async function run(client, name, check) {
  const failure = await check().then(
    () => null,
    (error) => error?.stack ?? JSON.stringify(error),
  );
  return [`${client}: ${name}`, failure];
}

const runs = CLIENTS.flatMap((client, place) =>
  Object.entries(modules[place].default).map(([name, check]) => run(client, name, check)),
);
process.stdout.write(JSON.stringify(Object.fromEntries(await Promise.all(runs))), () => process.exit());
