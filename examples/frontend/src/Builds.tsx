import { useEffect, useMemo, useState } from "react";
import { useMutation, useSubscription } from "urql";
import { type Transport, TRANSPORTS } from "./client";
import { BUILD, WATCH } from "./documents";
import type { WatchSubscription } from "./gql/graphql";
import { Notice } from "./Notice";

type Event = WatchSubscription["buildProgress"];

/** Watch the latest build, or request one and watch it. */
export function Builds({ latest, onEnd }: { latest: string | undefined; onEnd: () => void }) {
  const [transport, setTransport] = useState<Transport>("sse");
  const [{ data, error, fetching }, request] = useMutation(BUILD);
  const build = data?.requestBuild?.build.id ?? latest;
  return (
    <section className="card builds">
      <h2>
        Builds
        <select
          aria-label="Transport"
          value={transport}
          onChange={(event) => setTransport(event.target.value as Transport)}
        >
          {Object.entries(TRANSPORTS).map(([name, title]) => (
            <option key={name} value={name}>
              {title}
            </option>
          ))}
        </select>
        <button className="primary" disabled={fetching} onClick={() => request({})}>
          Build
        </button>
      </h2>
      <Notice error={error} />
      {build && <Progress key={`${build} ${transport}`} {...{ build, transport, onEnd }} />}
    </section>
  );
}

function Progress({ build, transport, onEnd }: { build: string; transport: Transport; onEnd: () => void }) {
  const [{ data: events = [], error }] = useSubscription(
    { query: WATCH, variables: { build }, context: useMemo(() => ({ transport }), [transport]) },
    append,
  );
  const last = events.at(-1);
  const ended = last?.final;
  useEffect(() => {
    if (ended) onEnd();
  }, [ended]);
  return (
    <>
      <Notice error={error} />
      <progress max={100} value={last?.percent ?? 0} aria-label="Progress" />
      <p className="status">
        {last ? `Build ${last.build.number}: ${last.build.status.toLowerCase()}` : "Waiting for its first event …"}
      </p>
      <ol>
        {events.toReversed().map((event) => (
          <li key={event.id} className={event.__typename}>
            {event.message}
          </li>
        ))}
      </ol>
    </>
  );
}

/** Append an event, unless it is there: after a lost connection events are sent again. */
function append(events: Event[] | undefined, { buildProgress: event }: WatchSubscription): Event[] {
  const before = events ?? [];
  return before.some(({ id }) => id === event.id) ? before : [...before, event];
}
