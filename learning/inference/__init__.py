"""Parts of a compiled model, which predicts without pandas: row reader, column plan and runtimes."""
