import type { CombinedError } from "urql";

/** What the API refused: its messages are sentences for people, their codes are for programs. */
export function Notice({ error }: { error: CombinedError | undefined }) {
  if (!error) return null;
  const { graphQLErrors, networkError } = error;
  return (
    <div className="notice" role="alert">
      {networkError && <p>The server cannot be reached: {networkError.message}</p>}
      {graphQLErrors.map(({ message, extensions }, place) => (
        <p key={place}>
          {message} {extensions.code === "UNAUTHENTICATED" && "Sign in with a token."}
        </p>
      ))}
    </div>
  );
}

/** The refusal of one feature's value, if there is one. */
export function refusalOf(name: string, error: CombinedError | undefined): string | undefined {
  return error?.graphQLErrors.find(({ extensions }) => (extensions.argument as string[])?.includes(name))?.message;
}
