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

| file | content |
|---|---|
| `models.py` | {models} |
| `products.py` | the question, the features and the label |

## Load the data again

```console
$ {again}
```

Existing rows are updated, new ones added; the same file twice changes nothing.{key}

## Serve it

```console
$ ./dev check    # is the declaration right?
$ ./dev up       # learns where there is no model yet, and serves it
```

`./dev rmproduct {name}` removes this folder.
"""


def render_readme(app: PlannedApp, sentence: str, command: str, again: str) -> str:
    """Render README.md.

    Args:
        sentence: the question that the product answers.
        command: the command that wrote the app.
        again: the command that loads the data again.
    """
    names = ", ".join(f"`{model.name}`: {model.table.layout.title}" for model in app.models)
    key = "" if app.base.key else "\nThe rows have no key of their own: all values together identify a row."
    title = app.name.replace("_", " ").capitalize()
    return TEXT.format(
        title=title, sentence=sentence, command=command, name=app.name, models=names, again=again, key=key
    )
