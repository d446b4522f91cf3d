"""Image-text and self-supervised encoders behind two small protocols: cards, weights, and loading by spec."""
