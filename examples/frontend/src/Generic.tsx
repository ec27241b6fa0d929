/** One screen for any product: it knows no product's types, and its documents are constant. */
import { useState } from "react";
import { useMutation, useQuery } from "urql";
import { read } from "./features";
import { graphql } from "./gql";
import type { GenericScreenQuery } from "./gql/graphql";
import { Notice, refusalOf } from "./Notice";
import { Field } from "./Predict";
import { type Cursor, Pages } from "./Predictions";

const PRODUCTS = graphql(`
  query GenericProducts { products { id name title } }
`);
const SCREEN = graphql(`
  query GenericScreen($name: String!, $after: String) {
    product(name: $name) {
      id name title description task labels { name title }
      features { id name title unit kind required minimum maximum computedFrom example choices { name title } }
      genericPredictions(first: 6, after: $after) {
        totalCount pageInfo { hasNextPage endCursor }
        nodes { id createdAt answerText truthText featureValues { name text } }
      }
    }
  }
`);
const PREDICT = graphql(`
  mutation GenericPredict($input: PredictInput!) {
    predict(input: $input) { prediction { id answerText answerValue confidence } }
  }
`);
const CORRECT = graphql(`
  mutation GenericCorrect($input: FeedbackInput!) {
    feedback(input: $input) { feedback { id answerText author } prediction { id truthText } }
  }
`);

type Product = NonNullable<GenericScreenQuery["product"]>;

export function Generic() {
  const [{ data, error }] = useQuery({ query: PRODUCTS });
  const [name, setName] = useState<string>();
  const products = data?.products ?? [];
  return (
    <>
      <header>
        <label className="products">
          Product{" "}
          <select name="product" value={name ?? products[0]?.name} onChange={(event) => setName(event.target.value)}>
            {products.map((each) => <option key={each.id} value={each.name}>{each.title}</option>)}
          </select>
        </label>
      </header>
      <Notice error={error} />
      {products[0] && <Screen key={name} name={name ?? products[0].name} />}
    </>
  );
}

function Screen({ name }: { name: string }) {
  const [cursors, setCursors] = useState<Cursor[]>([null]);
  const [{ data, error }, listAgain] = useQuery({
    query: SCREEN, variables: { name, after: cursors.at(-1) }, requestPolicy: "cache-and-network",
  });
  const [predicted, predict] = useMutation(PREDICT);
  const product = data?.product;
  if (!product) return <Notice error={error} />;
  const features = product.features.filter((feature) => !feature.computedFrom);
  const refresh = () => (setCursors([null]), listAgain({ requestPolicy: "network-only" }));

  async function ask(form: FormData) {
    const texts = features.map((feature) => [feature, String(form.get(feature.name) ?? "")] as const);
    const values = texts.filter(([, text]) => text).map(([feature, text]) => [feature.name, read(feature, text)]);
    await predict({ input: { product: name, features: Object.fromEntries(values) } });
    refresh();
  }

  const prediction = predicted.data?.predict?.prediction;
  const page = product.genericPredictions;
  return (
    <main>
      <form className="card features" onSubmit={(event) => (event.preventDefault(), void ask(new FormData(event.currentTarget)))}>
        <h2>{product.title}</h2>
        <p>{product.description}</p>
        <div className="fields">
          {features.map((feature) => (
            <Field
              key={feature.id}
              feature={feature}
              first={String(feature.example ?? "")}
              refusal={refusalOf(feature.name, predicted.error)}
            />
          ))}
        </div>
        <button className="primary">Predict</button>
      </form>
      <section className="card answer" aria-live="polite">
        <h2>Prediction</h2>
        <Notice error={predicted.error} />
        {prediction && <p className="value">{prediction.answerText}</p>}
        {prediction && product.task !== "CLUSTERING" && (
          <Correct key={prediction.id} product={product} {...prediction} onEnd={refresh} />
        )}
      </section>
      <section className="card predictions">
        <h2>Predictions <small>{page?.totalCount}</small></h2>
        <table>
          <tbody>
            {page?.nodes.map(({ id, answerText, truthText, featureValues }) => (
              <tr key={id} title={featureValues.map(({ name, text }) => `${name}: ${text ?? "unknown"}`).join("\n")}>
                <td>{answerText}</td>
                <td>{truthText ?? "–"}</td>
              </tr>
            ))}
          </tbody>
        </table>
        <Pages {...{ cursors, setCursors, last: page?.pageInfo }} />
      </section>
    </main>
  );
}

function Correct({ product, id, answerValue, onEnd }: { product: Product; id: string; answerValue?: unknown; onEnd: () => void }) {
  const [{ data, error }, correct] = useMutation(CORRECT);
  const first = String(answerValue ?? "");
  const stored = data?.feedback?.feedback;
  async function give(form: FormData) {
    const text = String(form.get("answer"));
    const answer = product.labels ? text : Number(text);
    await correct({ input: { product: product.name, about: { prediction: id }, answer } });
    onEnd();
  }
  return (
    <form className="correct" onSubmit={(event) => (event.preventDefault(), void give(new FormData(event.currentTarget)))}>
      <label>
        <span>What was it in truth?</span>
        {product.labels ? (
          <select name="answer" defaultValue={first}>
            {product.labels.map((label) => <option key={label.name} value={label.name}>{label.title}</option>)}
          </select>
        ) : (
          <input name="answer" type="number" step="any" defaultValue={first} required />
        )}
      </label>
      <button>Correct</button>
      <Notice error={error} />
      {stored && <p role="status">Stored: {stored.answerText}, according to {stored.author}.</p>}
    </form>
  );
}
