"""The README of an app."""

from .planning import PlannedApp

TEXT = """# {title}

{sentence}

This app was written by

```console
$ {command}
```

It is plain Django code, and yours: rename, add validators and help texts, take features out or declare new ones.
After a change of `models.py` run `./dev makemigrations {name}` and `./dev migrate`.

| file | what it holds |
|---|---|
| `models.py` | {models} |
| `products.py` | what is learned, and from what |

## Load the data again

```console
$ {again}
```

Rows that are known are updated, new ones added; the same file twice changes nothing.{key}

## Serve it

```console
$ ./dev check    # is the declaration right?
$ ./dev up       # learns where there is no model yet, and serves it
```

`./dev rmproduct {name}` undoes all of this.
"""


def readme(app: PlannedApp, sentence: str, command: str, again: str) -> str:
    """The text of README.md."""
    names = ", ".join(f"`{model.name}`: {model.table.layout.path.name}" for model in app.models)
    key = "" if app.base.key else "\nA row has no key of its own here: it is known by what it holds."
    title = app.name.replace("_", " ").capitalize()
    return TEXT.format(
        title=title, sentence=sentence, command=command, name=app.name, models=names, again=again, key=key
    )
