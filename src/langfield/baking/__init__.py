"""Baking: a trained field becomes Gaussians on its surfaces with a `LanguageMap`, and says how well they agree."""
