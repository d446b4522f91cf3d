"""Procedural table-top scenes with exact truth: for tests, for the bundled scene, and to train the bundled encoder.

How the data flow, each step a module that knows only those before it:

- `things`: a kind of thing registers its words (noun, synonyms, hypernyms, colours, materials) and a function that
  builds it as parts: a mesh (`meshes`) with a surface (`textures`). `kinds` holds them all.
- `scenes`: `compose` puts things on the table of a room (`rooms`, with `tables` and `furnishing`); `ring_cameras` and
  `random_cameras` look at it. A seed determines everything.
- `rendering`: `Renderer` traces pictures of a scene with Mitsuba 3, with the id, the part and the depth of every pixel;
  `TruthRenderer` gives these alone.
- `writing`: `write_capture` leaves a scene folder that langfield opens, with `queries.json` and the truth of its test
  views; `write_pictures` leaves many pictures of random scenes, with the words of their things, to train an encoder.

Two commands do it all (`python -m langfield_synthetic` is the same program):

    langfield-synthetic capture OUT
    langfield-synthetic pictures OUT
"""
