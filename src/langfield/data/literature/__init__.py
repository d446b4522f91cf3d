"""The scenes of the literature: a catalogue of them, whether a folder is one, and unpacking their authors' archives."""
