/** The connection: HTTP for queries and mutations, server-sent events or a WebSocket for subscriptions. */
import { createClient as createEvents } from "graphql-sse";
import { createClient as createSocket } from "graphql-ws";
import { cacheExchange, Client, fetchExchange, subscriptionExchange } from "urql";

export const TRANSPORTS = { sse: "Server-sent events", websocket: "WebSocket" } as const;
export type Transport = keyof typeof TRANSPORTS;

/** Connect as the owner of a token; with none, as a stranger. */
export function connect(token: string): Client {
  const url = new URL("/graphql/", location.origin);
  const headers: Record<string, string> = token ? { Authorization: `Bearer ${token}` } : {};
  // Without cookies: a session of the administration pages would be a second credential.
  const credentials = "omit";
  const transports = {
    sse: createEvents({ url: url.href, headers, credentials }),
    // A browser cannot set headers of a WebSocket: the token is in its first message.
    websocket: createSocket({ url: url.href.replace("http", "ws"), connectionParams: headers }),
  };
  return new Client({
    url: url.href,
    preferGetMethod: false,
    fetchOptions: { headers, credentials },
    exchanges: [
      cacheExchange,
      fetchExchange,
      subscriptionExchange({
        forwardSubscription({ query = "", variables }, operation) {
          const transport = transports[operation.context.transport as Transport];
          return {
            subscribe: (sink) => ({ unsubscribe: transport.subscribe({ query, variables }, sink) }),
          };
        },
      }),
    ],
  });
}
