"""Image-text, self-supervised and mask encoders behind small protocols: cards, weights, and loading by spec.

base      the protocols `ImageTextEncoder` and `DenseEncoder`, and `EncoderCard`
registry  an encoder by its spec ("openclip:…", "builtin:…", "timm:…", "sam:…")
openclip  any OpenCLIP model
builtin   the one that comes with langfield
dense     timm's vision transformers
masks     encoders of masks: SAM, SAM 2, superpixels
weights   files of weights: where they are, their digest, what to say when they are missing
recorded  a text encoder as a CUDA graph
"""
