"""Databases of two shops as teams have them, with a few hundred rows each that are the same each time."""

from pathlib import Path

#: A shop that rents films: partitions, views, order lines, keys of several columns, domains, enums.
FILMS = (Path(__file__).parent / "films.sql").read_text()
#: A shop that sells music: quoted names of mixed case, playlists, an employee who reports to another.
MUSIC = (Path(__file__).parent / "music.sql").read_text()
