"""The views of the pages, one module for each part of the console."""
