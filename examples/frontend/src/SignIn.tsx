interface Props {
  token: string;
  name: string | null;
  signIn: (token: string) => void;
}

/** Sign in with a token, which is kept until the tab is closed. */
export function SignIn({ token, name, signIn }: Props) {
  if (token)
    return (
      <div className="sign-in">
        {name}
        <button onClick={() => signIn("")}>Sign out</button>
      </div>
    );
  return (
    <form className="sign-in" action={(form) => signIn(String(form.get("token")).trim())}>
      <input name="token" type="password" placeholder="Token" aria-label="Token" autoComplete="off" required />
      <button>Sign in</button>
    </form>
  );
}
