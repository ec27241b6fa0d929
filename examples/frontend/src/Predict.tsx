import { useMutation } from "urql";
import { CORRECT, PREDICT } from "./documents";
import { EXAMPLE, type Feature, firstText, read } from "./features";
import type { PredictMutation } from "./gql/graphql";
import { Notice, refusalOf } from "./Notice";

type Prediction = NonNullable<NonNullable<PredictMutation["diabetesPredict"]>["prediction"]>;

/** The form, drawn from what the schema says of the features, and the prediction beside it. */
export function Predict({ features }: { features: Feature[] }) {
  const [{ data, error }, predict] = useMutation(PREDICT);
  const prediction = data?.diabetesPredict?.prediction;

  function ask(form: FormData) {
    const values = features.map((feature) => [feature.name, read(feature, String(form.get(feature.name) ?? ""))]);
    const asked = { ...EXAMPLE, ...Object.fromEntries(values) };
    void predict({ input: { features: asked } });
  }

  return (
    <>
      <form
        className="card features"
        onSubmit={(event) => {
          event.preventDefault(); // an `action` would empty the form
          ask(new FormData(event.currentTarget));
        }}
      >
        <h2>Features</h2>
        <div className="fields">
          {features.map((feature) => (
            <Field
              key={feature.id}
              feature={feature}
              first={firstText(feature)}
              refusal={refusalOf(feature.name, error)}
            />
          ))}
        </div>
        <button className="primary">Predict</button>
      </form>
      <section className="card answer" aria-live="polite">
        <h2>Prediction</h2>
        <Notice error={error} />
        {prediction ? <Answer key={prediction.id} {...prediction} /> : <p className="faint">Nothing asked yet.</p>}
      </section>
    </>
  );
}

interface FieldProps {
  feature: Omit<Feature, "id" | "computedFrom">;
  first: string;
  refusal: string | undefined;
}

export function Field({ feature, first, refusal }: FieldProps) {
  const { name, title, unit, kind, required, minimum, maximum, choices } = feature;
  const common = { name, required, defaultValue: first, "aria-invalid": refusal !== undefined };
  const options = choices ?? (kind === "BOOLEAN" ? [{ name: "true", title: "yes" }, { name: "false", title: "no" }] : null);
  return (
    <label>
      <span>
        {title} {unit && <small>{unit}</small>}
      </span>
      {options ? (
        <select {...common}>
          {!required && <option value="">unknown</option>}
          {options.map((option) => (
            <option key={option.name} value={option.name}>
              {option.title}
            </option>
          ))}
        </select>
      ) : (
        <input {...common} {...inputOf(kind)} min={minimum ?? undefined} max={maximum ?? undefined} />
      )}
      {refusal && <small className="refusal">{refusal}</small>}
    </label>
  );
}

/** The attributes of the input for values of a kind. */
function inputOf(kind: Feature["kind"]) {
  switch (kind) {
    case "INTEGER":
      return { type: "number", step: 1 };
    case "NUMBER":
      return { type: "number", step: "any" };
    case "DATE":
      return { type: "date" };
    case "DATETIME":
      return { type: "datetime-local" };
    default:
      return { type: "text" };
  }
}

function Answer({ id, value, interval, model }: Prediction) {
  const [{ data, error, fetching }, correct] = useMutation(CORRECT);
  const stored = data?.diabetesFeedback;
  return (
    <>
      <p className="value">{value?.toFixed(0)}</p>
      {interval && (
        <p>
          {interval.low.toFixed(0)} to {interval.high.toFixed(0)} in {(interval.level * 100).toFixed(0)} of 100 cases
        </p>
      )}
      <p className="faint">
        by model {model.number}, {model.family}
      </p>
      <form
        className="correct"
        action={async (form) => {
          await correct({ input: { about: { prediction: id }, value: Number(form.get("value")) } });
        }}
      >
        <label>
          <span>What was it in truth?</span>
          <input name="value" type="number" min={0} step="any" required />
        </label>
        <button disabled={fetching}>Correct</button>
      </form>
      <Notice error={error} />
      {stored && (
        <p role="status">
          Stored: {stored.feedback.value}, according to {stored.feedback.author}. The next build learns from it.
        </p>
      )}
    </>
  );
}
