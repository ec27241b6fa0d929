import { useState } from "react";
import { useQuery } from "urql";
import { LIST } from "./documents";
import { Notice } from "./Notice";

/** Where a page begins; the first one begins at null. */
export type Cursor = string | null;

const PAGE = 6;
// A list without rows holds no prediction: the cache must hear of its type to ask again after the first one.
const ROWS = { additionalTypenames: ["DiabetesPrediction"] };

/** The stored predictions, newest first, by pages. */
export function Predictions() {
  // The cursors of the pages up to this one; the first page has none.
  const [cursors, setCursors] = useState<Cursor[]>([null]);
  const after = cursors.at(-1);
  const [{ data, error, fetching }, listAgain] = useQuery({
    query: LIST,
    variables: { first: PAGE, after },
    requestPolicy: "cache-and-network",
    context: ROWS,
  });
  const page = data?.diabetes.predictions;
  const last = page?.pageInfo;
  return (
    <section className="card predictions" aria-busy={fetching}>
      <h2>
        Predictions <small>{page?.totalCount}</small>
        <button onClick={() => (setCursors([null]), listAgain({ requestPolicy: "network-only" }))}>Refresh</button>
      </h2>
      <Notice error={error} />
      <table>
        <thead>
          <tr>
            <th>Asked</th>
            <th>Model</th>
            <th>Predicted</th>
            <th>Truth</th>
          </tr>
        </thead>
        <tbody>
          {page?.nodes.map((node) => (
            <tr key={node.id}>
              <td>{new Date(node.createdAt).toLocaleString([], { dateStyle: "short", timeStyle: "short" })}</td>
              <td>{node.model.number}</td>
              <td>{node.value?.toFixed(1)}</td>
              <td>{node.truth?.toFixed(1) ?? "–"}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <Pages {...{ cursors, setCursors, last }} />
    </section>
  );
}

export interface PagesProps {
  /** Of the pages up to this one. */
  cursors: Cursor[];
  setCursors: (cursors: Cursor[]) => void;
  last: { hasNextPage: boolean; endCursor?: string | null } | undefined;
}

/** The buttons that lead to the next page and to the one before. */
export function Pages({ cursors, setCursors, last }: PagesProps) {
  return (
    <nav aria-label="Pages">
      <button disabled={cursors.length === 1} onClick={() => setCursors(cursors.slice(0, -1))}>
        Newer
      </button>
      <span>Page {cursors.length}</span>
      <button disabled={!last?.hasNextPage} onClick={() => setCursors([...cursors, last?.endCursor ?? null])}>
        Older
      </button>
    </nav>
  );
}
