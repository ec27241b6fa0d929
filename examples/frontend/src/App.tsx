import { useMemo, useState } from "react";
import { Provider, useQuery } from "urql";
import { Builds } from "./Builds";
import { connect } from "./client";
import { DESCRIBE } from "./documents";
import { Generic } from "./Generic";
import { Notice } from "./Notice";
import { Predict } from "./Predict";
import { Predictions } from "./Predictions";
import { SignIn } from "./SignIn";

export function App() {
  const [token, setToken] = useState(sessionStorage.getItem("token") ?? "");
  const client = useMemo(() => connect(token), [token]);
  const signIn = (token: string) => {
    sessionStorage.setItem("token", token);
    setToken(token);
  };
  return (
    // Another caller may see other things: nothing of the page is kept.
    <Provider value={client} key={token}>
      {new URLSearchParams(location.search).has("generic") ? <Generic /> : <Product token={token} signIn={signIn} />}
    </Provider>
  );
}

function Product({ token, signIn }: { token: string; signIn: (token: string) => void }) {
  const [{ data, error }, describeAgain] = useQuery({ query: DESCRIBE });
  const product = data?.diabetes;
  const champion = product?.champion;
  return (
    <>
      <header>
        <div>
          <h1>{product?.title ?? "Exemplar"}</h1>
          <p>{product?.description}</p>
        </div>
        {champion && (
          <p className="champion">
            <strong>Model {champion.number}</strong>
            {champion.family}, {champion.metric} {champion.score.toFixed(2)}
          </p>
        )}
        <SignIn token={token} name={data?.viewer.name ?? null} signIn={signIn} />
      </header>
      <Notice error={error} />
      {product && (
        <main>
          <Predict features={product.features.filter((feature) => !feature.computedFrom)} />
          <Predictions />
          <Builds
            latest={product.builds?.nodes[0]?.id}
            onEnd={() => describeAgain({ requestPolicy: "network-only" })}
          />
        </main>
      )}
    </>
  );
}
